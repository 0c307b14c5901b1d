import { createServer, get, setGlobalProxyFromEnv, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createRawServer, type AddressInfo, type Server } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { certificate, keys, type Certified } from '../fixtures/certificate.ts';
import { attemptAt } from './fetch.ts';
import type { ModelFailure } from './model.ts';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function serving(answer: (...of: Parameters<RequestListener>) => unknown): Promise<string> {
  return `http://127.0.0.1:${await listening(createServer((request, response) => void answer(request, response)))}/v1`;
}

const BOUNDS = { answer_bytes: 1000, stream_bytes: 2000, connect_ms: 60_000 };

async function posted(url: string, init: RequestInit = {}, bounds = BOUNDS) {
  const attempt = attemptAt('m of p', { bounds });
  const response = await attempt.fetch(url, { method: 'POST', body: 'hello', ...init });
  return { attempt, status: response.status, text: await response.text() };
}

const failureOf = (asked: Promise<unknown>): Promise<ModelFailure> =>
  asked.then(
    () => {
      throw new Error('there is an answer');
    },
    (error: unknown) => error as ModelFailure,
  );

describe('an attempt at a model', () => {
  test('sends what it is given and gives what comes, whichever the status', async () => {
    const url = await serving(async (request, response) => {
      const body = (await request.toArray()).join('');
      response.writeHead(418, { 'x-one': 'two' }).end(`${request.method} ${request.url} ${String(request.headers['x-key'])} ${body}`);
    });
    expect(await posted(url, { headers: { 'x-key': 'k' } })).toMatchObject({ status: 418, text: 'POST /v1 k hello' });
  });

  test('is one request', async () => {
    let asked = 0;
    const url = await serving((_, response) => void response.end(`${(asked += 1)}`));
    const { attempt } = await posted(url);
    expect((await failureOf(attempt.fetch(url))).kind).toBe('lost');
    expect(attempt.failure?.message).toMatch(/second request/);
    expect(asked).toBe(1);
  });

  test.each([
    ['', (text: string) => Buffer.from(text)],
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('reads no more than the bound of what it gets, uncompressed (%s)', async (coding, compress) => {
    const url = await serving((request, response) => {
      if (coding !== '') response.setHeader('content-encoding', coding);
      // Without a length, in pieces.
      response.write(compress('x'.repeat(request.url === '/v1/large' ? 1001 : 1000)));
      response.end();
    });
    expect((await posted(url)).text).toBe('x'.repeat(1000));
    const failure = await failureOf(posted(`${url}/large`));
    expect(failure).toMatchObject({
      kind: 'lost',
      message: 'The answer of m of p is larger than 1000 bytes, which is more than a host reads.',
    });
  });

  test('does not wait for an answer whose length is beyond the bound', async () => {
    const url = await serving((_, response) => void response.writeHead(200, { 'content-length': '1001' }).write('x'));
    expect((await failureOf(posted(url))).message).toMatch(/larger than 1000 bytes/);
  });

  test.each([301, 307, 308])('follows no redirect (%i)', async (status) => {
    let elsewhere = 0;
    const other = await serving((_, response) => void response.end(`${(elsewhere += 1)}`));
    const url = await serving((_, response) => void response.writeHead(status, { location: other }).end());
    // Node's own would follow it.
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(200);
    expect(await failureOf(posted(url))).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/redirects are not followed/) as string,
    });
    expect(elsewhere).toBe(1);
  });

  test.each([{ headers: { 'x-key': 'a\nb' } }, { body: new FormData() }])('that cannot be sent costs nothing (%#)', async (init) => {
    let asked = 0;
    const url = await serving((_, response) => void response.end(`${(asked += 1)}`));
    expect((await failureOf(posted(url, init))).kind).toBe('refused');
    expect(asked).toBe(0);
  });

  test('uses no proxy of the environment', async () => {
    let proxied = 0;
    const proxy = await serving((_, response) => void response.end(`${(proxied += 1)}`));
    const url = await serving((_, response) => void response.end('direct'));
    onTestFinished(setGlobalProxyFromEnv({ http_proxy: new URL(proxy).origin }));
    // Requests of this process go there otherwise.
    await new Promise<void>((resolve, reject) => get(url, (response) => response.resume().on('end', resolve)).on('error', reject));
    expect(proxied).toBe(1);
    expect((await posted(url)).text).toBe('direct');
    expect(proxied).toBe(1);
  });
});

describe('a connection', () => {
  test('that is never made costs nothing', async () => {
    const server = createRawServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await failureOf(posted(`http://127.0.0.1:${port}`))).toMatchObject({ kind: 'busy', message: 'm of p cannot be reached.' });
  });

  test('that does not come about in time costs nothing', async () => {
    // It accepts connections and never shakes hands.
    const port = await listening(createRawServer((socket) => socket.on('error', () => undefined)));
    expect((await failureOf(posted(`https://127.0.0.1:${port}`, {}, { ...BOUNDS, connect_ms: 50 }))).kind).toBe('busy');
  });

  test('may be quiet for longer than it may take to come about', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const came = Promise.withResolvers<ServerResponse>();
    const url = await serving((_, response) => came.resolve(response));
    const answer = posted(url);
    const response = await came.promise;
    vi.advanceTimersByTime(3_600_000);
    response.write('late');
    vi.advanceTimersByTime(3_600_000);
    response.end(' and slow');
    expect((await answer).text).toBe('late and slow');
  });

  test.each(['before the answer', 'in the answer'])('that breaks %s may be billed', async (when) => {
    const url = await serving((request, response) => {
      if (when === 'in the answer') response.write('half');
      setImmediate(() => request.socket.destroy());
    });
    expect((await failureOf(posted(url))).kind).toBe('lost');
  });

  test.each(['before the answer', 'in the answer'])('is closed when the call is given up %s', async (when) => {
    const began = Promise.withResolvers<undefined>();
    const closed = Promise.withResolvers<undefined>();
    const url = await serving((request, response) => {
      request.socket.once('close', () => closed.resolve(undefined));
      if (when === 'in the answer') response.write('half');
      began.resolve(undefined);
    });
    const stop = new AbortController();
    const failure = failureOf(posted(url, { signal: stop.signal }));
    await began.promise;
    stop.abort();
    expect(await failure).toMatchObject({ kind: 'lost', message: expect.stringContaining('given up') as string });
    await closed.promise;
  });
});

describe('a certificate', () => {
  const [own, root] = [keys(), keys()];
  const leaf = (more: Partial<Certified> = {}) => certificate({ name: 'server', of: own, by: own, issuer: 'server', ...more });
  const issued = leaf({ by: root, issuer: 'root' });
  const rooted = certificate({ name: 'root', of: root, by: root, issuer: 'root', authority: true });
  const expired = leaf({ until: '200102000000Z' });
  const elsewhere = leaf({ address: [10, 9, 8, 7] });

  async function securely(cert: string, trusted: readonly string[]): Promise<string> {
    const before = getCACertificates('default');
    onTestFinished(() => setDefaultCACertificates(before));
    setDefaultCACertificates(trusted);
    const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' });
    return `https://127.0.0.1:${await listening(createSecureServer({ key, cert }, (_, response) => void response.end('secret')))}`;
  }

  test('of an authority that the host trusts is accepted', async () => {
    expect((await posted(await securely(issued, [rooted]))).text).toBe('secret');
  });

  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', leaf(), []],
    ['CERT_HAS_EXPIRED', expired, [expired]],
    ['ERR_TLS_CERT_ALTNAME_INVALID', elsewhere, [elsewhere]],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', issued, []],
    ['SELF_SIGNED_CERT_IN_CHAIN', issued + rooted, []],
  ])('is refused with the reason (%s)', async (code, cert, trusted) => {
    const failure = await failureOf(posted(await securely(cert, trusted)));
    expect(failure.kind).toBe('refused');
    expect(failure.message).toMatch(new RegExp(`^The certificate of the server of m of p is not accepted: .* \\(${code}\\)\\.$`));
  });

  test('is checked also where the environment of the host says otherwise', async () => {
    const url = await securely(leaf(), []);
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env;
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    onTestFinished(() => {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    });
    expect((await failureOf(posted(url))).kind).toBe('refused');
  });
});
