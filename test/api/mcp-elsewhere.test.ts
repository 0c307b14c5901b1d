/**
 * MCP servers elsewhere: which addresses a host connects to, and the tokens that it gets by its client credentials. The server is one of the
 * official SDK, and the issuer signs its tokens.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Tool, ToolSource } from '@corral/protocol/ports/tool';
import { openMcp } from '@corral/server/config/mcp';
import { McpServer } from '@corral/server/config/mcp-schema';
import type { Resolve } from '@corral/tools/net/guarded';
import { CLIENT, testIssuer, type TestIssuer } from '../issuer.ts';
import { ask } from '../memory-source.ts';
import { until } from '../until.ts';

const SERVER = fileURLToPath(new URL('../mcp/server.mjs', import.meta.url));
let issuer: TestIssuer;
/** Ports of a server that wants tokens of the issuer, and of one whose requests need a connection each. */
let [wanting, closing] = ['', ''];
const ends: (() => unknown)[] = [];

async function started(env: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, [SERVER, '--http'], { stdio: ['ignore', 'pipe', 'ignore'], env });
  ends.push(() => child.kill());
  const [port] = (await child.stdout.take(1).toArray()) as Buffer[];
  return String(port).trim();
}

beforeAll(async () => {
  issuer = await testIssuer({}, (end) => ends.push(end));
  [wanting, closing] = await Promise.all([started({ ISSUER: issuer.url }), started({ CLOSES: '1' })]);
  return async () => {
    for (const end of ends) await end();
  };
});

async function openedAt(said: object, resolve?: Resolve): Promise<ToolSource> {
  const secret = (name: string) => Promise.resolve(name === 'key' ? CLIENT.secret : 'another');
  const pins = { get: () => undefined, put: () => undefined };
  const powers = { base: '/', secret, pins, start: undefined, tell: () => undefined, resolve, redact: (text: string) => text };
  const source = await openMcp('far', McpServer.parse(said), powers);
  onTestFinished(() => source.close(0));
  return source;
}
const add = (source: ToolSource) => ask(source.tools().find(({ name }) => name === 'far.add') as Tool, { a: 1, b: 2 });
const SUM = { kind: 'ok', value: { sum: 3 } };

/** A resolver by which the name has these addresses, one after the other; then the last one. */
function resolving(...addresses: readonly string[]): Resolve {
  let n = 0;
  return (_host, _options, done) => done(null, [{ address: addresses[Math.min(n++, addresses.length - 1)] ?? '', family: 4 }]);
}

/** A server that nobody is to ask. */
async function shunned(answer: (url: string) => string | undefined = () => undefined) {
  let connected = 0;
  const server = createServer(({ url = '' }, response) => {
    const location = answer(url);
    response.writeHead(location === undefined ? 404 : 307, location === undefined ? {} : { location }).end();
  }).on('connection', () => (connected += 1));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, connected: () => connected };
}

test('a server is reached by https at public addresses alone, whatever its name says', async () => {
  const { port, connected } = await shunned();
  for (const [url, resolve, why] of [
    [`https://127.0.0.1:${port}/mcp`, undefined, /127\.0\.0\.1 is not a public address/],
    [`https://inside.example:${port}/mcp`, resolving('127.0.0.1'), /127\.0\.0\.1 is not a public address/],
    [`https://inside.example:${port}/mcp`, resolving('10.0.0.1', '127.0.0.1'), /is not a public address/],
    [`http://outside.example:${port}/mcp`, resolving('127.0.0.1'), /is not reached by https; `private: true`/],
  ] as const)
    await expect(openedAt({ url }, resolve)).rejects.toThrow(why);
  expect(connected()).toBe(0);
});

test('a name that has another address at its next connection is looked at again, and no server may be the metadata of a cloud', async () => {
  let address = '127.0.0.1';
  const rebinding: Resolve = (_host, _options, done) => done(null, [{ address, family: 4 }]);
  const source = await openedAt({ url: `http://rebinds.example:${closing}/mcp`, private: true }, rebinding);
  expect(await add(source)).toEqual(SUM);
  address = '169.254.169.254';
  expect(await add(source)).toMatchObject({
    kind: 'failed',
    retryable: true,
    message: expect.stringMatching(/cannot be reached/) as string,
  });
  address = '127.0.0.1';
  expect(await add(source)).toEqual(SUM);
});

test('a redirect to another origin is not followed', async () => {
  const { port: to, connected } = await shunned();
  const { port } = await shunned(() => `http://127.0.0.1:${to}/mcp`);
  await expect(openedAt({ url: `http://127.0.0.1:${port}/mcp`, private: true })).rejects.toThrow(/has not listed its tools/);
  expect(connected()).toBe(0);
});

/** The server that wants tokens, as a host with these settings finds it. */
async function opened(oauth: object): Promise<ToolSource> {
  issuer.exchanges.length = 0;
  return openedAt({
    url: `http://127.0.0.1:${wanting}/mcp`,
    private: true,
    oauth: { client_id: CLIENT.id, client_secret: 'key', issuer: issuer.url, ...oauth },
  });
}

test('the host gets a token for the server by its client credentials, and calls with it until the server refuses it', async () => {
  const source = await opened({ scope: 'tools' });
  expect([await add(source), await add(source)]).toEqual([SUM, SUM]);
  expect(issuer.exchanges.map((one) => Object.fromEntries(one))).toEqual([
    { grant_type: 'client_credentials', resource: `http://127.0.0.1:${wanting}/mcp`, scope: 'tools' },
  ]);
});

test('a token that has expired is replaced; where the server accepts no token any more, a call does nothing and says what to look at', async () => {
  issuer.bend = (said) => ({ ...said, exp: Number(said.iat) + 1 });
  onTestFinished(() => void Object.assign(issuer, { bend: (said: object) => said, forge: false }));
  const source = await opened({});
  await until(async () => {
    expect(await add(source)).toEqual(SUM);
    return issuer.exchanges.length > 1;
  });
  issuer.forge = true;
  await until(async () => (await add(source)).kind !== 'ok');
  expect(await add(source)).toMatchObject({
    kind: 'failed',
    retryable: true,
    message: expect.stringMatching(
      /far\.add was not started: its server does not accept the credentials of the host; `headers` or `oauth`/,
    ) as string,
  });
});

test('an issuer that the configuration does not name gets no secret, whatever the server says', async () => {
  await expect(opened({ issuer: 'https://login.example.com' })).rejects.toThrow(/far has not listed its tools/);
  expect(issuer.exchanges).toEqual([]);
});

test('a secret that the issuer does not know gives no token', async () => {
  await expect(opened({ client_secret: 'other' })).rejects.toThrow(/far has not listed its tools/);
});
