/** Requests of agents by HTTP on a whole host: through the bus, with a secret that is found nowhere but at its own origin. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { eventsOf, sharedFront, type Front } from '../front.ts';

const CANARY = 'canary-7f3a"9c\\e1-öß';
const HEADER_CANARY = 'canary-51d2/9c+e1=';

interface Asked {
  readonly at: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
interface Said {
  readonly status?: number;
  readonly url?: string;
  readonly text?: string;
  readonly code?: string;
  readonly message?: string;
  readonly redirected?: boolean;
}

const asked: Asked[] = [];
type Answer = (request: Asked, response: ServerResponse) => void;
async function server(at: string, answer: Answer) {
  const made = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = { at, method, url, headers, body: Buffer.concat(chunks).toString() };
      asked.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${(made.address() as AddressInfo).port}`, close: () => (made.closeAllConnections(), made.close()) };
}

let policies = '';
const servers: { readonly origin: string; readonly close: () => void }[] = [];
/** A server that repeats its secret in each encoding that it can think of. */
const careless: Answer = ({ url, headers }, response) => {
  const key = headers['x-key'];
  const bytes = Buffer.from(String(key), 'latin1');
  if (url === '/away') return void response.writeHead(302, { location: `${servers[1]?.origin}/caught`, 'x-echo': String(key) }).end();
  if (url === '/inside') return void response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end();
  if (url === '/round') return void response.writeHead(303, { location: '/landed' }).end();
  if (url === '/for-ever') return void response.writeHead(302, { location: '/for-ever' }).end();
  if (url === '/binary') return void response.end(Buffer.concat([Buffer.from([255, 254]), bytes, Buffer.from([255])]));
  if (url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    // Cut within the secret.
    response.write(Buffer.concat([Buffer.from('data: '), bytes.subarray(0, 9)]));
    return void setImmediate(() => response.end(bytes.subarray(9)));
  }
  const text = String(headers['authorization']).replace('Bearer ', '');
  response
    .setHeader('x-echo', String(key))
    .end(
      [text, Buffer.from(text).toString('base64'), Buffer.from(`a${text}`).toString('base64url'), Buffer.from(text).toString('hex')]
        .concat(
          encodeURIComponent(text),
          Buffer.from(`Bearer ${text}`).toString('base64'),
          JSON.stringify({ text }),
          bytes.toString('hex').toUpperCase(),
        )
        .join('\n'),
    );
};

const config = () => ({
  policies: [policies],
  secrets: { crm: { env: 'CRM_KEY' }, header: { env: 'HEADER_KEY' } },
  http: {
    crm: {
      origins: [servers[0]?.origin],
      methods: ['GET', 'POST', 'HEAD'],
      headers: ['x-account'],
      secrets: { authorization: 'Bearer {crm}', 'x-key': '{header}' },
    },
    wide: { origins: ['https://*', 'http://*', { origin: servers[1]?.origin, addresses: ['127.0.0.1'] }], methods: ['GET', 'POST'] },
  },
});

let logged = '';
const logger = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _, done) => ((logged += chunk.toString()), done()) }));

beforeAll(async () => {
  // Labels are kept where there are policies.
  policies = join(await mkdtemp(join(tmpdir(), 'crl-')), 'all.cedar');
  await writeFile(
    policies,
    `@id("all") permit (principal, action, resource);
@id("no-payroll") forbid (principal, action == Action::"http:crm", resource == Tool::"http:crm") when { context.args.path like "/payroll*" };`,
  );
  servers.push(await server('own', careless), await server('other', (_, response) => void response.end('other')));
});
afterAll(async () => {
  for (const one of servers) one.close();
  await rm(dirname(policies), { recursive: true });
});
const theFront: () => Front = sharedFront({
  get configText() {
    return JSON.stringify(config());
  },
  env: { ...process.env, CRM_KEY: Buffer.from(CANARY).toString('latin1'), HEADER_KEY: HEADER_CANARY },
  logger,
});

let deployed: Promise<unknown> | undefined;
async function run(requests: readonly object[], agent = 'fetches') {
  const { admin, deploy } = theFront();
  await (deployed ??= Promise.all([deploy(agentFile('http/fetches')), deploy(agentFile('http/narrows'))]));
  const { run } = await admin.submitRun({ body: { agent, input: { requests } as never } });
  const shown = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  return { run, shown, said: ((shown.outcome as { readonly output?: unknown } | null)?.output ?? []) as readonly Said[] };
}

describe('an agent asks by HTTP', () => {
  test('where its capability reaches; elsewhere it is told which capability to ask for', async () => {
    const { shown, said } = await run([
      { url: `${servers[0]?.origin}/v1?page=2`, init: { method: 'POST', body: 'hello', headers: { 'x-account': '7' } } },
      { direct: { path: '/v1' } },
      { url: 'ftp://example.com/' },
      { url: `${servers[0]?.origin}/v1`, init: { method: 'DELETE' } },
      { url: `${servers[0]?.origin}/v1`, init: { headers: { 'x-other': '7' } } },
      { url: `${servers[0]?.origin}/payroll` },
    ]);
    expect(shown.outcome).toMatchObject({ kind: 'completed' });
    expect(said).toMatchObject([
      { status: 200, redirected: false },
      { status: 200 },
      { code: 'CORRAL_CAP_NOT_GRANTED', message: expect.stringContaining("`uses: { api: 'http:NAME' }`") as string },
      { code: 'CORRAL_ARGS_INVALID', message: expect.stringContaining('method') as string },
      { code: 'CORRAL_ARGS_INVALID', message: expect.stringContaining('headers.x-other') as string },
      { code: 'CORRAL_DENIED', message: expect.stringContaining('no-payroll') as string },
    ]);
    expect(asked.at(-2)).toMatchObject({ method: 'POST', url: '/v1?page=2', body: 'hello', headers: { 'x-account': '7' } });
  });

  test('and each redirect is a call of its own, which goes no further than its capabilities, without the secrets of the first', async () => {
    const from = asked.length;
    const { run: id, said } = await run([
      { url: `${servers[0]?.origin}/away`, init: { headers: { authorization: 'Bearer none' } } },
      { url: `${servers[0]?.origin}/inside` },
      { url: `${servers[0]?.origin}/round`, init: { method: 'POST', body: 'x' } },
      { url: `${servers[0]?.origin}/away`, init: { redirect: 'manual' } },
      { url: `${servers[0]?.origin}/away`, init: { redirect: 'error' } },
    ]);
    expect(said).toMatchObject([
      { status: 200, text: 'other', redirected: true, url: `${servers[1]?.origin}/caught` },
      { code: 'CORRAL_ARGS_INVALID', message: expect.stringContaining('metadata service') as string },
      { status: 200, redirected: true, url: `${servers[0]?.origin}/landed` },
      { status: 302 },
      { failed: 'TypeError', message: expect.stringContaining('was redirected') as string },
    ]);
    const { items } = await theFront().admin.runCalls({ params: { run: id }, query: {} });
    expect(items.map(({ tool }) => tool)).toEqual([
      'http:crm',
      'http:wide',
      'http:crm',
      'http:wide',
      'http:crm',
      'http:crm',
      'http:crm',
      'http:crm',
    ]);
    const other = asked.slice(from).filter(({ at }) => at === 'other');
    expect(other).toHaveLength(1);
    expect(JSON.stringify(other)).not.toMatch(/canary|Bearer|x-key/);
    expect(asked.slice(from).map(({ method, url }) => `${method} ${url}`)).toContain('GET /landed');
  });

  test('no further than its grant was narrowed: by path, method and header', async () => {
    expect((await run([], 'narrows')).shown.outcome).toMatchObject({
      kind: 'completed',
      output: {
        allowed: 200,
        path: 'CORRAL_GRANT_PREDICATE',
        dots: 'CORRAL_GRANT_PREDICATE',
        method: 'CORRAL_GRANT_PREDICATE',
        header: 'CORRAL_GRANT_PREDICATE',
        none: 'CORRAL_GRANT_PREDICATE',
      },
    });
  });

  test('and a server that repeats its secrets in any encoding gives them to nobody', async () => {
    const { said, run: id } = await run([
      { url: `${servers[0]?.origin}/echo`, init: { headers: { authorization: 'Bearer none' } } },
      { url: `${servers[0]?.origin}/binary` },
      { url: `${servers[0]?.origin}/events`, init: { headers: { accept: 'text/event-stream' } } },
      { url: `${servers[0]?.origin}/away`, init: { redirect: 'manual' } },
    ]);
    expect(said).toMatchObject([{ status: 200 }, { status: 200 }, { status: 200, text: 'data: [secret:header]' }, { status: 302 }]);
    const { admin, host, data } = theFront();
    const told = [
      JSON.stringify(said),
      logged,
      JSON.stringify(await admin.runJournal({ params: { run: id }, query: {} })),
      JSON.stringify(await admin.runCalls({ params: { run: id }, query: {} })),
      JSON.stringify(await admin.showConfig({})),
      JSON.stringify(await eventsOf(host)),
    ].join('\n');
    const files = await Promise.all((await readdir(data)).map((name) => readFile(join(data, name), 'latin1').catch(() => '')));
    const at = asked.filter((one) => one.at === 'own').map(({ headers }) => [headers['x-key'], headers['authorization']]);
    expect(at).toContainEqual([HEADER_CANARY, `Bearer ${Buffer.from(CANARY).toString('latin1')}`]);
    const forms = [CANARY, HEADER_CANARY].flatMap((value) => {
      const bytes = Buffer.from(value);
      const base64 = [0, 1, 2].map((skip) =>
        Buffer.concat([Buffer.alloc(skip), bytes])
          .toString('base64')
          .slice(4, -6),
      );
      return [value, encodeURIComponent(value), bytes.toString('hex'), JSON.stringify(value).slice(1, -1), ...base64];
    });
    for (const form of [...forms, 'canary-7f3a', 'canary-51d2'])
      for (const [where, text] of Object.entries({ told, files: files.join('\n') }))
        expect([where, form, text.includes(form)]).toEqual([where, form, false]);
  });

  test('and what it reads is labelled with the origin that wrote it', async () => {
    const { run: id } = await run([{ url: `${servers[1]?.origin}/` }]);
    const { items } = await theFront().admin.runContext({ params: { run: id } });
    expect(JSON.stringify(items.find(({ kind }) => kind === 'label'))).toContain(servers[1]?.origin);
  });
});
