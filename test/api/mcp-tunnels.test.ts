/** The origins that an MCP server behind a wall may reach: the host opens tunnels to them, and to nothing else. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createSecureServer } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import type { ToolSource } from '@corral/protocol/ports/tool';
import { openMcp } from '@corral/server/config/mcp';
import { McpServer } from '@corral/server/config/mcp-schema';
import { certificate, keys } from '@corral/tools/fixtures/certificate';
import { ask } from '../memory-source.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = fileURLToPath(new URL('../mcp/server.mjs', import.meta.url));
const ends: (() => unknown)[] = [];
const told: string[] = [];
/** The address of each name. */
const NAMES: Record<string, string> = {
  'in.example.com': '127.0.0.1',
  'meta.example.com': '169.254.169.254',
  'other.example.com': '10.1.2.3',
};
let connected = 0;
let source: ToolSource;
let [echo, secure] = [0, 0];

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'crl-mcp-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  echo = await listening(
    createServer((socket) => {
      connected += 1;
      socket.on('error', () => undefined).on('data', (chunk) => socket.write(`${String(chunk)} bye`));
    }),
  );
  const own = keys();
  const cert = certificate({ name: 'server', of: own, by: own, issuer: 'server' });
  const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' });
  secure = await listening(createSecureServer({ key, cert }, (_, response) => void response.end('over TLS')));
  await writeFile(join(folder, 'ca.pem'), cert);
  const origin = (name: string, port: number) => ({ origin: `https://${name}:${port}`, addresses: ['127.0.0.0/8'] });
  const server = McpServer.parse({
    command: 'node',
    args: [SERVER],
    folders: { [ROOT]: 'read', [folder]: 'read' },
    env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
    origins: [origin('in.example.com', echo), origin('127.0.0.1', secure), origin('meta.example.com', 80), `https://other.example.com`],
  });
  source = await openMcp('plain', server, {
    base: ROOT,
    secret: () => Promise.reject(new Error('none')),
    pins: { get: () => undefined, put: () => undefined },
    start: undefined,
    tell: ({ text }) => told.push(text),
    resolve: (host, _options, done) => done(null, [{ address: NAMES[host] ?? '127.0.0.1', family: 4 }]),
    redact: (text) => text,
  });
  ends.push(() => source.close(0));
  return async () => {
    for (const end of ends.toReversed()) await end();
  };
}, 60_000);

async function said(name: string, input: object): Promise<string> {
  const tool = source.tools().find((one) => one.name === `plain.${name}`);
  if (tool === undefined) throw new Error(`no tool ${name}`);
  const result = await ask(tool, input as never);
  return result.kind === 'ok' ? ((result.value as { content: [{ text: string }] }).content[0].text ?? '') : result.message;
}

test('a program behind a wall reaches an origin that the configuration names, by bytes that the host does not read', async () => {
  expect(await said('tunnel', { ask: `CONNECT in.example.com:${echo}`, say: 'hello' })).toBe(
    'HTTP/1.1 200 Connection Established hello bye',
  );
  expect(await said('get', { url: `https://127.0.0.1:${secure}/` })).toBe('over TLS');
});

test('nothing else: no other origin, no other port, no address that is not meant, and no request but for a tunnel', async () => {
  const before = connected;
  for (const [asked, why] of [
    [`CONNECT 127.0.0.1:${echo}`, /403 Forbidden https:\/\/127\.0\.0\.1:\d+ is none of the origins/],
    [`CONNECT localhost:${echo}`, /403 Forbidden/],
    ['CONNECT in.example.com:443', /403 Forbidden/],
    [`CONNECT x.in.example.com:${echo}`, /403 Forbidden/],
    [`CONNECT in.example.com.:${echo}`, /403 Forbidden/],
    ['CONNECT other.example.com:443', /502 Bad Gateway .*10\.1\.2\.3 is not a public address/],
    ['CONNECT meta.example.com:80', /502 Bad Gateway .*169\.254\.169\.254 is the metadata service of a cloud/],
    [`CONNECT in.example.com:${echo}/`, /400 Bad Request/],
    [`CONNECT a@in.example.com:${echo}`, /400 Bad Request/],
    ['CONNECT in.example.com', /400 Bad Request/],
    [`GET http://in.example.com:${echo}/`, /405 Method Not Allowed/],
    ['GET /', /405 Method Not Allowed/],
  ] as const)
    expect([asked, await said('tunnel', { ask: asked, say: 'x' })]).toEqual([asked, expect.stringMatching(why)]);
  expect(connected).toBe(before);
  expect(told).toContainEqual(expect.stringMatching(/^mcp:plain: a connection to "127\.0\.0\.1:\d+" was refused: .*none of the origins/));
});

test('the program sees the loopback interface alone, and of the machine neither its ports nor its channel', async () => {
  const around = JSON.parse(await said('around', { port: echo, files: [] })) as Record<string, unknown>;
  expect(around).toMatchObject({ host: 'ECONNREFUSED', world: 'ENETUNREACH' });
  expect(around['env']).not.toContain('NODE_CHANNEL_FD');
  expect((around['interfaces'] as string[]).filter((name) => name !== 'lo')).toEqual([]);
});
