/** Requests of a capability to real servers on loopback: what leaves, what comes back, within which bounds, and what a lost answer means. */
import { hash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { asCalled, mayRepeat, mayStartEarly } from '@corral/protocol/ports/tool';
import { ask, capability, listening, serving } from '../fixtures/http.ts';

const bodyOf = async (request: IncomingMessage) => Buffer.concat((await request.toArray()) as Buffer[]).toString('latin1');

/** A server that says what it was asked. */
const echoing = () =>
  serving(async (request, response) => {
    const { method, url, headers } = request;
    response
      .setHeader('set-cookie', 'a=b')
      .setHeader('x-own', 'mine')
      .end(JSON.stringify({ method, url, headers, body: await bodyOf(request) }));
  });
const saidBy = (result: unknown) =>
  JSON.parse((result as { value: { body: string } }).value.body) as {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: string;
  };

describe('a request', () => {
  test('is sent as it was asked for, and its answer given whole, whichever its status', async () => {
    const { origin } = await echoing();
    const tool = capability([origin], { headers: ['x-asked'] });
    const { method, url, headers, body } = saidBy(
      await ask(tool, { method: 'POST', path: '/v1/a', query: 'q=ü', headers: { 'x-asked': 'yes' }, body: 'hällo' }),
    );
    expect({ method, url, asked: headers['x-asked'], body: Buffer.from(body, 'latin1').toString() }).toEqual({
      method: 'POST',
      url: '/v1/a?q=%C3%BC',
      asked: 'yes',
      body: 'hällo',
    });
    const failing = await serving((_, response) => void response.writeHead(503, { 'retry-after': '7' }).end('busy'));
    expect(await ask(capability([failing.origin]), { path: '/' })).toMatchObject({
      kind: 'ok',
      value: { status: 503, headers: { 'retry-after': '7' }, body: 'busy' },
    });
  });

  test('has bytes in base64, both ways', async () => {
    const bytes = Buffer.from([0, 255, 254, 13, 10]);
    const { origin } = await serving(async (request, response) => void response.end(Buffer.from(await bodyOf(request), 'latin1')));
    expect(await ask(capability([origin]), { method: 'POST', path: '/', body_base64: bytes.toString('base64') })).toMatchObject({
      value: { body_base64: bytes.toString('base64') },
    });
  });

  test.each(['', 'ascii', '\ufeffmarked', '\ufeff', 'größer ✓', '\u00ef\u00bb\u00bf'])(
    'gives the bytes of an answer as they are: %j',
    async (text) => {
      const { origin } = await serving((request, response) => {
        if (request.url === '/whole') response.setHeader('content-length', Buffer.byteLength(text));
        else response.write('');
        response.end(text);
      });
      const tool = capability([origin]);
      for (const path of ['/whole', '/chunked'])
        expect(await ask(tool, { path })).toMatchObject({ kind: 'ok', value: text === '' ? { status: 200 } : { body: text } });
    },
  );

  test('keeps no cookies and gives none, and nothing that is between two machines', async () => {
    const { origin } = await echoing();
    const tool = capability([origin]);
    const first = await ask(tool, { path: '/' });
    expect(Object.keys((first as unknown as { value: { headers: object } }).value.headers).sort()).toEqual(['date', 'x-own']);
    expect(saidBy(await ask(tool, { path: '/' })).headers).not.toHaveProperty('cookie');
  });

  test.each([
    'host',
    'connection',
    'content-length',
    'transfer-encoding',
    'te',
    'upgrade',
    'cookie',
    'proxy-authorization',
    'sec-fetch-site',
    'x-forwarded-for',
    'x-http-method-override',
    'x-any',
    'Accept',
    'a b',
    'x\r\ny',
  ])('with the header %j is refused before anything is sent', async (name) => {
    const { origin, connected } = await echoing();
    expect(await ask(capability([origin]), { path: '/', headers: { [name]: 'x' } })).toMatchObject({ kind: 'refused' });
    expect(await ask(capability([origin], { headers: ['*'] }), { path: '/', headers: { accept: 'a\r\nhost: b' } })).toMatchObject({
      kind: 'refused',
    });
    expect(connected()).toBe(0);
  });

  test('is within the methods and paths of its capability, however the path is written', async () => {
    const { origin, connected } = await echoing();
    const tool = capability([origin], { methods: ['GET'], paths: ['/v1/contacts/*', '/open/**'] });
    const refused = [
      '/v1/other',
      '/v1/contacts',
      '/v1/contacts/1/2',
      '/v1/contacts/../admin',
      '/v1/contacts/%2e%2e/admin',
      '/open/../admin',
      '/open/%2e%2e/admin',
      '/open/%252e%252e/admin',
      '/open/..%2fadmin',
      '/open/..%5cadmin',
      '/open/..\\admin',
      '/open/..;/admin',
      '/open/.;x=1/a',
      '/open/%2fadmin',
      '/open/%252fadmin',
      '/open/a%00b',
      '/open/%zz',
      '/open?x',
      '/open#x',
      'open/a',
      '@evil.example/open/a',
    ];
    for (const path of refused) expect([path, (await ask(tool, { path })).kind]).toEqual([path, 'refused']);
    expect(await ask(tool, { method: 'POST', path: '/open/a' })).toMatchObject({ kind: 'refused' });
    expect(await ask(tool, { path: '/open/a', body: 'x' })).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('no body') as string,
    });
    expect(connected()).toBe(0);
    for (const path of ['/v1/contacts/7', '/open/a/b', '/open/a%20b'])
      expect([path, (await ask(tool, { path })).kind]).toEqual([path, 'ok']);
    const slashes = capability([origin], { paths: ['/open/**'], encoded_slashes: true });
    expect((await ask(slashes, { path: '/open/group%2Fproject' })).kind).toBe('ok');
    expect((await ask(slashes, { path: '/open/..%2Fproject' })).kind).toBe('refused');
  });

  test('is seen by grants and policies with its address as it is sent', () => {
    const tool = capability(['https://api.example.com']);
    expect(tool.input.check({ path: '/a/../b c', query: 'x=y z' })).toEqual({
      ok: true,
      value: { method: 'GET', origin: 'https://api.example.com', path: '/b%20c', query: 'x=y%20z' },
    });
  });
});

describe('a secret', () => {
  const powers = { secret: (name: string) => Promise.resolve(`${name}-7f3a`) };

  test('goes to its own origin, whatever the agent sends in its place, and to no other', async () => {
    const [one, two] = [await echoing(), await echoing()];
    const secrets = [{ origin: one.origin, header: 'authorization', value: 'Bearer {crm}' }];
    const tool = capability([one.origin, two.origin], { secrets, powers });
    const headers = { authorization: 'Bearer none' };
    expect(saidBy(await ask(tool, { origin: one.origin, path: '/', headers })).headers['authorization']).toBe('Bearer crm-7f3a');
    expect(saidBy(await ask(tool, { origin: two.origin, path: '/', headers })).headers).not.toHaveProperty('authorization');
    // The journal has the arguments as they were checked.
    expect(JSON.stringify(tool.input.check({ origin: one.origin, path: '/', headers }))).not.toMatch(/authorization|7f3a/);
  });

  test('is read for who calls, and a call without one is not made', async () => {
    const { origin, connected } = await echoing();
    const asked: unknown[] = [];
    const secret = (name: string, { agent, person, tenant }: { agent: string; person: string; tenant: string }) => {
      asked.push([name, agent, person, tenant]);
      return Promise.resolve('x');
    };
    const tool = capability([origin], { secrets: [{ origin, header: 'x-key', value: '{a}{b}' }], powers: { secret } });
    await ask(tool, { path: '/' }, { agent: 'sales', person: 'token:ana' });
    expect(asked).toEqual([
      ['a', 'sales', 'token:ana', 'local'],
      ['b', 'sales', 'token:ana', 'local'],
    ]);
    const broken = capability([origin], {
      secrets: [{ origin, header: 'x-key', value: '{a}' }],
      powers: { secret: () => Promise.resolve('a\r\nhost: b') },
    });
    const before = connected();
    expect(await ask(broken, { method: 'POST', path: '/' })).toMatchObject({ kind: 'failed' });
    expect(connected()).toBe(before);
  });
});

describe('an answer', () => {
  const BOMB = Buffer.alloc(5_000_000, 'a');

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('is bounded after decompression (%s)', async (coding, compress) => {
    const { origin } = await serving((request, response) => {
      const body = request.url === '/bomb' ? BOMB : 'small';
      response.writeHead(200, { 'content-encoding': coding }).end(compress(body));
    });
    const tool = capability([origin], { bounds: { answer_bytes: 10_000 } });
    expect(await ask(tool, { path: '/' })).toMatchObject({ value: { body: 'small' } });
    expect(await ask(tool, { path: '/bomb' })).toMatchObject({
      kind: 'failed',
      code: 'CORRAL_RESULT_TOO_LARGE',
      message: expect.stringContaining('larger than 10000 bytes') as string,
    });
  });

  test('compressed twice, or in a way that nobody knows, is not read', async () => {
    const { origin } = await serving(
      (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip, gzip' }).end(gzipSync(gzipSync('a'))),
    );
    expect(await ask(capability([origin]), { path: '/' })).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('compressed') as string,
    });
  });

  test('without end, or with headers without end, is given up at its bound', async () => {
    const endless = await serving((_, response) => {
      const write = () => {
        while (response.write('a'.repeat(10_000)) && !response.destroyed);
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    expect(await ask(capability([endless.origin], { bounds: { answer_bytes: 100_000 } }), { path: '/' })).toMatchObject({ kind: 'failed' });
    const { port } = await listening(createRawServer((socket) => void socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}`)));
    expect(await ask(capability([`http://127.0.0.1:${port}`], { bounds: { header_bytes: 4096 } }), { path: '/' })).toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/headers/) as string,
    });
  });

  test('that does not come is waited for until the call is given up', async () => {
    const { origin } = await serving(() => undefined);
    const signal = AbortSignal.timeout(50);
    expect(await ask(capability([origin]), { path: '/' }, { signal })).toMatchObject({
      kind: 'unknown',
      message: expect.stringContaining('given up') as string,
    });
    expect(await ask(capability([origin]), { method: 'POST', path: '/' }, { signal: AbortSignal.timeout(50) })).toMatchObject({
      kind: 'unknown',
    });
  });

  test('that refers elsewhere is given as it is: whoever follows it is asked about again', async () => {
    const inside = await echoing();
    const { origin } = await serving((_, response) => void response.writeHead(302, { location: `${inside.origin}/secret` }).end());
    expect(await ask(capability([origin]), { path: '/' })).toMatchObject({
      value: { status: 302, headers: { location: `${inside.origin}/secret` } },
    });
    expect(inside.connected()).toBe(0);
  });

  test('comes in parts where a stream is asked for: its head, then its text', async () => {
    const { origin } = await serving((request, response) => {
      if (request.url === '/bytes') return void response.end(Buffer.from([255, 254]));
      response.write(Buffer.from('data: ü').subarray(0, 7));
      setImmediate(() => response.end(Buffer.from('data: ü').subarray(7)));
    });
    const parts: Json[] = [];
    const part = (one: Json) => Promise.resolve(void parts.push(one));
    expect(await ask(capability([origin]), { path: '/' }, { part })).toMatchObject({ kind: 'ok', value: { status: 200 } });
    expect(parts[0]).toMatchObject({ status: 200 });
    expect((parts.slice(1) as string[]).join('')).toBe('data: ü');
    expect(await ask(capability([origin]), { path: '/bytes' }, { part })).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('not text') as string,
    });
  });
});

describe('a request without an answer', () => {
  const dropping = () => listening(createRawServer((socket) => void socket.once('data', () => socket.destroy())));

  test('has an unknown result where it may have changed something, and none where nobody was reached', async () => {
    const { port } = await dropping();
    const tool = capability([`http://127.0.0.1:${port}`]);
    expect(await ask(tool, { path: '/' })).toMatchObject({ kind: 'unknown' });
    expect(await ask(tool, { method: 'POST', path: '/' })).toMatchObject({ kind: 'unknown' });
    const closed = await listening(createServer());
    const gone = capability([`http://127.0.0.1:${closed.port}`, 'http://127.0.0.1:1']);
    expect(await ask(gone, { method: 'POST', origin: 'http://127.0.0.1:1', path: '/' })).toMatchObject({ kind: 'failed', retryable: true });
  });

  test('has a key by which the server knows it again, where the configuration says that the server does', async () => {
    const { origin } = await echoing();
    const tool = capability([origin], { idempotency_key: 'idempotency-key' });
    const key = hash('sha256', 'run_x:1');
    expect(saidBy(await ask(tool, { method: 'POST', path: '/', headers: { 'idempotency-key': 'mine' } })).headers['idempotency-key']).toBe(
      key,
    );
    expect(saidBy(await ask(tool, { path: '/' })).headers).not.toHaveProperty('idempotency-key');
    const { port } = await dropping();
    const lost = capability([`http://127.0.0.1:${port}`], { idempotency_key: 'idempotency-key' });
    expect(await ask(lost, { method: 'POST', path: '/' })).toMatchObject({ kind: 'unknown' });
  });

  test('by GET and HEAD reads; by another method it changes something, which may be done twice only with such a key', () => {
    const of = (method: string, more: object = {}) => {
      const { annotations } = asCalled(capability(['https://api.example.com'], more), { method });
      return [annotations.readOnly, mayRepeat(annotations), annotations.destructive, mayStartEarly(annotations)];
    };
    expect(of('GET')).toEqual([true, true, false, false]);
    expect(of('HEAD')).toEqual([true, true, false, false]);
    expect(of('POST')).toEqual([false, false, true, false]);
    expect(of('POST', { idempotency_key: 'idempotency-key' })).toEqual([false, true, true, false]);
    const tool = capability(['https://api.example.com']);
    expect(asCalled(tool, { method: 'GET' })).toBe(asCalled(tool, { method: 'HEAD' }));
  });
});
