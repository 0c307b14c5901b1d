/**
 * Ways to make a host ask an address that only it can reach. Each is refused before anything of the request is sent: a server listens on
 * loopback at the port that is named, and nobody asks it anything. The capability is the widest that there is: every host, at this port.
 */
import type { LookupAddress } from 'node:dns';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ask, capability, listening } from '../fixtures/http.ts';
import type { Resolve } from '../net/guarded.ts';

/** Spellings of addresses that the URL Standard reads as one: they are in the address of the request itself. */
const SPELLED = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '127.255.255.254',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0x7f.0x0.0x0.0x1',
  '0X7F.0.0.1',
  '017700000001',
  '0177.0.0.1',
  '0177.0x0.0.1',
  '00000177.0.0.1',
  '127.0.0.1.',
  '%31%32%37.0.0.1',
  '１２７.０.０.１',
  '①②⑦.0.0.1',
  '127。0。0。1',
  '127．0．0．1',
  '0',
  '0.0.0.0',
  '0x0',
  '10.0.0.1',
  '10.1',
  '0xa000001',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '192.168.257',
  '169.254.169.254',
  '0xa9fea9fe',
  '2852039166',
  '0251.0376.0251.0376',
  '169.254.170.2',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::a9fe:a9fe]',
  '[2002:7f00:1::]',
  '[2001::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[fec0::1]',
  '[ff02::1]',
  '[100::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[5f00::1]',
] as const;

/** Names, and what a resolver says of them. */
const RESOLVED: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1', '::1'],
  'localhost.': ['127.0.0.1'],
  'sub.localhost': ['127.0.0.1'],
  'localtest.me': ['127.0.0.1'],
  '127.0.0.1.nip.io': ['127.0.0.1'],
  'seven.example': ['127.7.7.7'],
  'six.example': ['::1'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'mapped-hex.example': ['::ffff:7f00:1'],
  'translated.example': ['64:ff9b::7f00:1'],
  'tunnelled.example': ['2002:7f00:1::'],
  'private.example': ['10.0.0.1'],
  'home.example': ['192.168.0.1'],
  'carrier.example': ['100.64.0.1'],
  'metadata.google.internal': ['169.254.169.254'],
  'aws.example': ['fd00:ec2::254'],
  'azure.example': ['168.63.129.16'],
  'alibaba.example': ['100.100.100.200'],
  'local-link.example': ['fe80::1'],
  'zone.example': ['fe80::1%lo'],
  'nowhere.example': ['0.0.0.0'],
  'nowhere-six.example': ['::'],
  'unique.example': ['fd12:3456::1'],
  'two.example': ['10.0.0.1', '127.0.0.1'],
  'empty.example': [],
  'words.example': ['not an address'],
  'octal.example': ['0177.0.0.1'],
  ｌｏｃａｌｈｏｓｔ: ['127.0.0.1'],
  'xn--local-host.example': ['127.0.0.1'],
};

/** Texts in the place of an origin that hold another host than they seem to. */
const MISLEADING: readonly ((port: number) => string)[] = [
  (port) => `http://example.com@127.0.0.1:${port}`,
  (port) => `http://example.com:${port}@127.0.0.1:${port}`,
  (port) => `http://127.0.0.1:${port}#@example.com`,
  (port) => `http://127.0.0.1:${port}?@example.com`,
  (port) => `http://127.0.0.1:${port}\\@example.com`,
  (port) => `http:\\\\127.0.0.1:${port}`,
  (port) => `http://127.0.0.1:${port}/`,
  (port) => `http:127.0.0.1:${port}`,
  (port) => `http:///127.0.0.1:${port}`,
  (port) => ` http://127.0.0.1:${port}`,
  (port) => `http://127.0.0.1\t:${port}`,
  (port) => `http://127.0.\n0.1:${port}`,
  (port) => `HTTP://127.0.0.1:${port}`,
  (port) => `//127.0.0.1:${port}`,
  (port) => `gopher://127.0.0.1:${port}`,
  (port) => `file://127.0.0.1:${port}`,
  (port) => `ws://127.0.0.1:${port}`,
  (port) => `unix:127.0.0.1:${port}`,
  (port) => `http://[::1%25lo]:${port}`,
  (port) => `http://0x7f.1%00.example.com:${port}`,
];

const fakeResolver: Resolve = (host, _options, done) => {
  const addresses = RESOLVED[host] ?? RESOLVED[host.replace(/\.$/, '')];
  if (addresses === undefined) return done(Object.assign(new Error(`there is no ${host}`), { code: 'ENOTFOUND' }), []);
  done(
    null,
    addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
  );
};

async function onLoopback() {
  let asked = 0;
  const { port, connected } = await listening(createServer((_, response) => void response.end(`${(asked += 1)}`)));
  const patterns = [`http://*:${port}`, `https://*:${port}`];
  const tool = capability([], { origins: patterns.map((pattern) => ({ pattern, addresses: [] })), bounds: { resolve: fakeResolver } });
  return { port, tool, asked: () => asked, connected };
}

describe('a request to an address that only the host can reach', () => {
  test(`is refused, however the address is written (${SPELLED.length} ways)`, async () => {
    const { port, tool, connected } = await onLoopback();
    for (const scheme of ['http', 'https'])
      for (const host of SPELLED)
        expect([host, (await ask(tool, { origin: `${scheme}://${host}:${port}`, path: '/' })).kind]).toEqual([host, 'refused']);
    expect(connected()).toBe(0);
  });

  test(`is refused, whatever a resolver says (${Object.keys(RESOLVED).length} names)`, async () => {
    const { port, tool, connected } = await onLoopback();
    for (const host of Object.keys(RESOLVED))
      for (const method of ['GET', 'POST']) {
        const said = await ask(tool, { method, origin: `http://${host}:${port}`, path: '/' });
        expect([host, said.kind, 'message' in said && /cannot be reached|is not connected to/.test(said.message)]).toEqual([
          host,
          'failed',
          true,
        ]);
      }
    expect(connected()).toBe(0);
  });

  test(`is refused where the text seems to name another host (${MISLEADING.length} texts)`, async () => {
    const { port, tool, connected } = await onLoopback();
    for (const text of MISLEADING)
      expect([text(port), (await ask(tool, { origin: text(port), path: '/' })).kind]).toEqual([text(port), 'refused']);
    expect(connected()).toBe(0);
  });

  test('is refused at the socket where a name and its addresses were what they should be: a resolver that says one thing and a network that does another', async () => {
    const { port, tool, asked } = await onLoopback();
    // As a route of the network could do: the socket to a public address is one to loopback.
    const { Socket } = await import('node:net');
    const real = Reflect.get(Socket.prototype, 'connect') as (...of: unknown[]) => Socket;
    const spy = vi.spyOn(Socket.prototype, 'connect');
    onTestFinished(() => spy.mockRestore());
    spy.mockImplementation(function (this: Socket, ...of: unknown[]) {
      const [first] = of as [object | object[]];
      const options = (Array.isArray(first) ? first[0] : first) as { host?: string; lookup?: unknown };
      if (options.host === 'public.example') Object.assign(options, { host: '127.0.0.1', lookup: undefined });
      return Reflect.apply(real, this, of);
    });
    const said = await ask(tool, { origin: `http://public.example:${port}`, path: '/' });
    expect(said).toMatchObject({ kind: 'failed', message: expect.stringMatching(/127\.0\.0\.1 is not a public address/) as string });
    expect(asked()).toBe(0);
  });

  test('is refused the second time, where the name had another address the first time', async () => {
    let n = 0;
    const first = await listening(createServer((_, response) => void response.setHeader('connection', 'close').end('mine')));
    const rebinding: Resolve = (_host, _options, done) => done(null, [{ address: (n += 1) === 1 ? '127.0.0.2' : '127.0.0.1', family: 4 }]);
    const second = await listening(
      createServer((_, response) => void response.end('theirs')),
      '127.0.0.2',
    ).catch(() => undefined);
    const port = second?.port ?? first.port;
    // The configuration says where the name may be; it is there the first time.
    const { rangeOf } = await import('../net/addresses.ts');
    const tool = capability([], {
      origins: [{ pattern: `http://rebinds.example:${port}`, addresses: [rangeOf('127.0.0.2') as never] }],
      bounds: { resolve: rebinding },
    });
    expect(await ask(tool, { method: 'POST', path: '/' })).toMatchObject(second === undefined ? { kind: 'failed' } : { kind: 'ok' });
    expect(await ask(tool, { method: 'POST', path: '/' })).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('127.0.0.1 is not a public') as string,
    });
  });

  test('goes to the allowed ones of several addresses alone', async () => {
    const { rangeOf } = await import('../net/addresses.ts');
    const { port } = await listening(createServer((_, response) => void response.end('here')));
    const resolve: Resolve = (_host, _options, done) =>
      done(
        null,
        ['10.0.0.1', '127.0.0.3', '127.0.0.1'].map((address) => ({ address, family: 4 })),
      );
    const tool = capability([], {
      origins: [{ pattern: `http://both.example:${port}`, addresses: [rangeOf('127.0.0.1') as never] }],
      bounds: { resolve },
    });
    expect(await ask(tool, { path: '/' })).toMatchObject({ kind: 'ok', value: { body: 'here' } });
  });

  test('of the metadata service of a cloud is refused, whatever the configuration allows', async () => {
    const { rangeOf } = await import('../net/addresses.ts');
    const everything = ['0.0.0.0/0', '::/0'].map((text) => rangeOf(text) as never);
    for (const host of ['169.254.169.254', '168.63.129.16', '100.100.100.200', '[fd00:ec2::254]', '0.0.0.0', '[::]', '224.0.0.1']) {
      const tool = capability([], { origins: [{ pattern: `http://${host}`, addresses: everything }] });
      expect([host, (await ask(tool, { path: '/' })).kind]).toEqual([host, 'refused']);
    }
  });

  test('through a proxy that the environment names is not made', async () => {
    const { port, asked, connected } = await onLoopback();
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = `http://127.0.0.1:${port}`;
    onTestFinished(() => {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    });
    const tool = capability([], { origins: [{ pattern: 'http://*', addresses: [] }], bounds: { resolve: fakeResolver } });
    expect(await ask(tool, { origin: 'http://elsewhere.example', path: '/' })).toMatchObject({ kind: 'failed' });
    expect([asked(), connected()]).toEqual([0, 0]);
    // The server is there: a test that nobody can fail would not be one.
    await new Promise<void>((resolve, reject) => connect(port, '127.0.0.1', resolve).on('error', reject).end());
    expect(connected()).toBe(1);
  });
});
