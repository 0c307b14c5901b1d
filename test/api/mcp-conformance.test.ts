/**
 * MCP's official conformance suite, against the host as a client of servers and against its own server. Each scenario of the suite is named here: one
 * that a new version adds fails the first test until somebody has looked at it.
 */
import { spawn } from 'node:child_process';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { temporary } from '../world.ts';
import { front } from '../front.ts';

const SUITE = join(dirname(fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/package.json'))), 'dist/index.js');
const CLIENT = fileURLToPath(new URL('../mcp/conformance-client.ts', import.meta.url));

/** Scenarios of a client that are passed. */
const AS_CLIENT = [
  'initialize',
  'tools_call',
  'elicitation-sep1034-client-defaults',
  'sse-retry',
  'auth/client-credentials-basic',
  'auth/metadata-default',
  'auth/metadata-var1',
  'auth/metadata-var2',
  'auth/metadata-var3',
  'auth/basic-cimd',
  'auth/scope-from-www-authenticate',
  'auth/scope-from-scopes-supported',
  'auth/scope-omitted-when-undefined',
  'auth/scope-step-up',
  'auth/scope-retry-limit',
  'auth/token-endpoint-auth-basic',
  'auth/token-endpoint-auth-post',
  'auth/token-endpoint-auth-none',
  'auth/pre-registration',
  'auth/offline-access-scope',
  'auth/offline-access-not-supported',
  'auth/resource-mismatch',
  'auth/2025-03-26-oauth-endpoint-fallback',
];
/** Scenarios of a client that do not apply, and the reason. `docs/mcp.md` says the same in words. */
const NOT_AS_CLIENT: Readonly<Record<string, readonly string[]>> = {
  'the authorization server calls itself otherwise than the address at which it was found, so it may be another one (RFC 8414, 3.3)': [
    'auth/2025-03-26-oauth-metadata-backcompat',
  ],
  'the credentials are a secret, and not a key or the token of somebody else': [
    'auth/client-credentials-jwt',
    'auth/cross-app-access-complete-flow',
  ],
};

/** Scenarios of a server that are passed. */
const AS_SERVER = ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection'];
/** Scenarios of a server that do not apply, and the reason. */
const NOT_AS_SERVER: Readonly<Record<string, readonly string[]>> = {
  'they call tools of the suite’s own example server': [
    'tools-call-simple-text',
    'tools-call-image',
    'tools-call-audio',
    'tools-call-embedded-resource',
    'tools-call-mixed-content',
    'tools-call-with-logging',
    'tools-call-error',
    'tools-call-with-progress',
    'tools-call-sampling',
    'tools-call-elicitation',
    'json-schema-2020-12',
    'elicitation-sep1034-defaults',
    'elicitation-sep1330-enums',
  ],
  'the server keeps no session, so it has no stream to resume': ['server-sse-polling', 'server-sse-multiple-streams'],
  'it offers tools alone: no resources, prompts, completion or logging': [
    'logging-set-level',
    'completion-complete',
    'resources-list',
    'resources-read-text',
    'resources-read-binary',
    'resources-templates-read',
    'resources-subscribe',
    'resources-unsubscribe',
    'prompts-list',
    'prompts-get-simple',
    'prompts-get-with-args',
    'prompts-get-embedded-resource',
    'prompts-get-with-image',
  ],
};

/** The suite writes what it saw into its working folder. */
async function suite(...args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = spawn(process.execPath, [SUITE, ...args], { cwd: await temporary(), stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, said: Buffer.concat(chunks).toString() };
}

test('each scenario of the suite is passed, or does not apply for a reason', { tags: 'long' }, async () => {
  const { said } = await suite('list');
  const [server = '', client = ''] = said.split('Client scenarios');
  const named = (text: string) => [...text.matchAll(/^ {2}- (\S+)/gm)].map(([, name = '']) => name).toSorted();
  expect(named(server)).toEqual([...AS_SERVER, ...Object.values(NOT_AS_SERVER).flat()].toSorted());
  expect(named(client)).toEqual([...AS_CLIENT, ...Object.values(NOT_AS_CLIENT).flat()].toSorted());
});

test.each(AS_CLIENT)('as a client, the host passes %s', { tags: 'long' }, async (scenario) => {
  const command = `${process.execPath} ${CLIENT}`;
  const { code, said } = await suite('client', '--command', command, '--scenario', scenario, '--timeout', '60000');
  expect([code, said]).toEqual([0, expect.stringMatching(/0 failed, 0 warnings/)]);
});

/** The suite has no token to send, so this adds one. All else passes as it is. */
async function withToken(to: string, token: string): Promise<string> {
  const { hostname, port } = new URL(to);
  const server = createServer((asked, answer) => {
    const { method, url: path, headers } = asked;
    const on = request({ hostname, port, method, path, headers: { ...headers, authorization: `Bearer ${token}` } }, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      given.pipe(answer);
    });
    asked.pipe(on).on('error', () => answer.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

test('as a server, the host passes the scenarios that apply', { tags: 'long' }, async () => {
  const on = await front();
  const url = await withToken(on.url, (await on.as('local', 'developer')).secret);
  for (const scenario of AS_SERVER) {
    const { code, said } = await suite('server', '--url', url, '--scenario', scenario);
    expect([scenario, code, said]).toEqual([scenario, 0, expect.stringMatching(/0 failed/)]);
  }
});
