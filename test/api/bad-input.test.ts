/** Requests that nobody should send: each is answered with a problem document, and the host goes on. */
import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Problem } from '@corral/protocol/api/problem';
import { HELLO, sharedFront } from '../front.ts';
import { realTime } from '../until.ts';

const made = sharedFront({ configText: JSON.stringify({ door: { rate_per_s: 100_000, burst: 100_000 } }) });
let secret: string;
beforeAll(async () => {
  await made().deploy(HELLO);
  ({ secret } = await made().as('local', 'developer', 'operator', 'auditor'));
});
afterEach(async () => {
  // After each of them the host lives, and nothing was left behind.
  const { items } = await made().admin.listRuns({});
  if (items.length > 0) throw new Error(`It made ${items.length} runs.`);
});

const call = (path: string, init: RequestInit = {}) =>
  fetch(`${made().url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...(init.headers as object) },
  });

/** The status of a refusal, which must be a problem document that says the same. */
async function problem(asked: Promise<Response>): Promise<number> {
  const answer = await asked;
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(Problem.parse(await answer.json()).status).toBe(answer.status);
  return answer.status;
}

/** Writes bytes to the port, gives back what came. */
const raw = (...parts: (string | number)[]) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(made().url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    void (async () => {
      for (const part of parts) {
        if (typeof part === 'number') await realTime(part, 'a request that comes in pieces');
        else socket.write(part);
      }
      socket.end();
    })();
  });

describe('a body', () => {
  const submit = (body: string, headers: Record<string, string> = {}) => call('/v1/runs', { method: 'POST', body, headers });
  test.each([
    ['that is no JSON', '{"agent":', 400],
    ['of an unknown shape', '[]', 400],
    ['with a field nobody knows', '{"agent":"hello","surprise":1}', 400],
    ['with a prototype in it', '{"agent":"hello","__proto__":{"x":1}}', 400],
    ['that nests without end', `{"agent":"hello","input":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 400],
    ['with an agent that is a path', '{"agent":"../../etc/passwd"}', 400],
    ['for an agent nobody deployed', '{"agent":"nobody"}', 404],
    ['for another tenant', '{"agent":"hello","tenant":"other"}', 403],
    ['with a ceiling above all ceilings', '{"agent":"hello","ceilings":{"memory_mib":100000}}', 400],
    ['with an input above the limit', `{"agent":"hello","input":"${'x'.repeat(1_100_000)}"}`, 413],
    ['above the limit of the door', `{"agent":"hello","input":"${'x'.repeat(3_000_000)}"}`, 413],
  ])('%s', async (_, body, status) => {
    expect(await problem(submit(body))).toBe(status);
  });

  test('of another kind than JSON', async () => {
    expect(await problem(submit('agent=hello', { 'content-type': 'application/x-www-form-urlencoded' }))).toBe(415);
  });
  test('with a key that is too long', async () => {
    expect(await problem(submit('{"agent":"hello"}', { 'idempotency-key': 'k'.repeat(300) }))).toBe(400);
  });
});

describe('a path', () => {
  test.each<[string, number]>([
    ['/v1/nothing', 404],
    ['/v1/../../etc/passwd', 404],
    ['/v1/runs/..%2f..%2fetc', 400],
    ['/v1/runs/run_zzz', 400],
    ['/v1/runs/run_000000000000', 404],
    [`/v1/agents/${'a'.repeat(3000)}`, 414],
    ['/v1/agents/%00', 400],
    ['/v1/agents/%zz', 400],
    ['/v1/agents/UPPER', 400],
    ['/v1/runs?limit=0', 400],
    ['/v1/runs?limit=100000', 400],
    ['/v1/runs?surprise=1', 400],
    [`/v1/runs?q=${'x'.repeat(200)}`, 400],
    ['/v1/runs?cursor=%00%01', 400],
    ['/v1/runs?tenant=other', 403],
  ])('%s is answered with %i', async (path, status) => {
    expect(await problem(call(path))).toBe(status);
  });
  test('with a method it does not have', async () => {
    expect(await problem(call('/v1/runs', { method: 'PATCH', body: '{}' }))).toBe(404);
  });
});

describe('bytes', () => {
  const head = () => `Host: 127.0.0.1\r\nAuthorization: Bearer ${secret}\r\n`;
  test('that are no HTTP', async () => {
    expect(await raw('HELLO WORLD\r\n\r\n')).toContain('"code":"CORRAL_REQUEST_INVALID"');
  });
  test('of headers without end', async () => {
    expect(await raw(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X-Flood: y\r\n'.repeat(4000)}\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });
  test('with two lengths, which is how requests are smuggled', async () => {
    const text = await raw(
      `POST /v1/runs HTTP/1.1\r\n${head()}Content-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });
  test('that stop in the middle of a body', async () => {
    const text = await raw(`POST /v1/runs HTTP/1.1\r\n${head()}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"agent":`);
    expect(text).not.toMatch(/^HTTP\/1\.1 2/);
  });
  test('that come in dribbles are put together', async () => {
    expect(await raw('GET /hea', 30, 'lthz HTTP/1.1\r\nHo', 30, 'st: 127.0.0.1\r\nConnection: close\r\n', 30, '\r\n')).toMatch(
      /^HTTP\/1\.1 200 /,
    );
  });
  test('of many requests at once are answered one after the other', async () => {
    const one = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
    const text = await raw(`${one.repeat(49)}GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    expect(text.match(/HTTP\/1\.1 200 /g)).toHaveLength(50);
  });
});
