/**
 * A person signs a host in at an MCP server: a real authorization server, which registers the host, asks the person, and takes each code and each
 * refresh token once; and a server of the official SDK, which wants its tokens.
 */
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventsOf, front, type Front } from '../front.ts';
import { testIssuer, type TestIssuer } from '../issuer.ts';
import type { Finished } from '../shared.ts';
import { until } from '../until.ts';

const SERVER = fileURLToPath(new URL('../mcp/server.mjs', import.meta.url));
const REDIRECT = 'http://127.0.0.1:49152/callback';
const ADDER = `{ name: 'adder', uses: { add: 'tool:far.add' }, run: ({ caps }) => caps.add({ a: 1, b: 2 }).catch(({ code, message }) => ({ code, message })) }`;
const ECHO = `{ name: 'echo', uses: { say: 'tool:far.echo_text' }, run: ({ caps, input }) => caps.say({ text: input.join('') }) }`;
const reason = 'test';
let issuer: TestIssuer;
let server: string;
/** Tells the server what its next requests are refused for. */
const refuseFor = (what: { readonly lacks?: string }) => fetch(new URL('/lacks', server), { method: 'PUT', body: JSON.stringify(what) });
/** A host for tests that leave nothing which the others meet but a login. */
let common: Front;
let logged = '';
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  issuer = await testIssuer({}, (end) => ends.push(end));
  const child = spawn(process.execPath, [SERVER, '--http'], { stdio: ['ignore', 'pipe', 'ignore'], env: { ISSUER: issuer.url } });
  ends.push(() => child.kill());
  const [port] = (await child.stdout.take(1).toArray()) as Buffer[];
  server = `http://127.0.0.1:${String(port).trim()}/mcp`;
  common = await host({}, (end) => ends.push(end));
  return async () => {
    for (const end of ends.toReversed()) await end();
  };
});

beforeEach(() => {
  Object.assign(issuer, {
    life_s: 300,
    broken: undefined,
    forge: false,
    describe: (document: object) => document,
    answer: (address: URL) => address,
    tokens: {},
    method: undefined,
  });
  issuer.exchanges.length = 0;
});

/** A host that knows the server. */
function host(login: object = {}, finished?: Finished): Promise<Front> {
  const config = { policies: 'none', mcp: { far: { url: server, private: true, trusted: true, only: ['add', 'echoText'], login } } };
  const logger = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _, done) => ((logged += chunk.toString()), done()) }));
  return front({ configText: JSON.stringify(config), logger }, finished);
}

/** As a person who signs in at the page. @returns the answer of the host */
async function signIn({ admin }: Pick<Front, 'admin'>, account?: string) {
  const begun = await admin.beginLogin({ body: { server: 'far', redirect: REDIRECT, ...(account === undefined ? {} : { account }) } });
  const redirect = await issuer.signIn(begun.address);
  return { begun, redirect, finish: () => admin.finishLogin({ params: { login: begun.login }, body: { redirect } }) };
}
const signedIn = async (on: Front, account?: string) => (await signIn(on, account)).finish();

const hasTools = ({ admin }: Pick<Front, 'admin'>) =>
  until(async () => (await admin.listTools({ query: {} })).items.some(({ tool }) => tool === 'far.add'));
/** Waits until the tools of the server are known, and deploys an agent that calls one. */
async function ready(on: Front) {
  await hasTools(on);
  await on.deploy(ADDER);
}

/** The answer of the tool, or the error of the call. */
async function called({ admin }: Pick<Front, 'admin'>, agent = 'adder', input: readonly string[] = []) {
  const { run } = await admin.submitRun({ body: { agent, input: [...input] } });
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  return (outcome as { readonly output?: { readonly code?: string } }).output ?? {};
}
/** Waits until the token of the host is good no more. */
const expired = ({ admin }: Pick<Front, 'admin'>) =>
  until(async () => ((await admin.listSecrets({})).items[0]?.expires_at ?? 0) < Date.now());
const SUM = { sum: 3 };
const NEEDED = 'CORRAL_LOGIN_NEEDED';
const refusedWith = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) as string });
/** Requests of one kind to the issuer for tokens. */
const exchanged = (grant: string) => issuer.exchanges.filter((one) => one.get('grant_type') === grant).length;

test('a person signs the host in: the tools of the server are known and called, and the token is bound to it', async () => {
  const on = await host();
  expect((await on.admin.listToolReviews({})).items).toMatchObject([{ source: 'mcp:far', accepted: null, needs_login: ['host'] }]);
  expect((await on.admin.listSecrets({})).items).toMatchObject([
    { account: 'far:login:host', is_there: false, in_force: false, login: { why: 'nobody is signed in there' } },
  ]);
  const { credential, tools } = await signedIn(on);
  expect({ credential, tools }).toMatchObject({
    // Two that were asked for, and its resources and prompts.
    tools: 7,
    credential: { account: 'far:login:host', in_force: true, for: null, login: { issuer: issuer.url, renews: true, why: null } },
  });
  expect(issuer.registered.at(-1)).toMatchObject({ client_name: 'Corral', redirect_uris: [REDIRECT] });
  expect(issuer.exchanges.map((one) => [one.get('grant_type'), one.get('resource')])).toEqual([['authorization_code', server]]);
  await ready(on);
  expect(await called(on)).toMatchObject(SUM);
  const [listed] = (await on.admin.listSecrets({})).items;
  expect(listed).toMatchObject({ used_by: { tenant: 'local', agent: 'adder' }, used_at: expect.any(Number) as number });
  expect((await on.admin.listToolReviews({})).items).toMatchObject([{ accepted: { tools: 7 }, needs_login: [] }]);
  const rows = (await on.admin.listOperations({ query: {} })).items;
  expect(rows).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ operation: 'login', target: { account: 'far:login:host', issuer: issuer.url, url: server } }),
      expect.objectContaining({ operation: 'accept-tools', target: expect.objectContaining({ source: 'mcp:far' }) as object }),
    ]),
  );
});

test('a token that expires is renewed by the host, once for all calls, and the login outlives a restart', async () => {
  issuer.life_s = 1;
  const first = await host();
  await signedIn(first);
  await ready(first);
  expect(await called(first)).toMatchObject(SUM);
  await expired(first);
  const before = exchanged('refresh_token');
  issuer.life_s = 300;
  expect(await Promise.all([called(first), called(first), called(first)])).toMatchObject([SUM, SUM, SUM]);
  expect(exchanged('refresh_token')).toBe(before + 1);
  await first.host.close(1_000);
  const config = join(first.data, '..', 'corral.config.json');
  const second = await front({ data: first.data, config });
  expect(await called(second)).toMatchObject(SUM);
  expect(exchanged('authorization_code')).toBe(1);
});

test('where the authorization server refuses to renew, each call ends in one refusal that says what to do, and nobody is asked again', async () => {
  issuer.life_s = 1;
  const on = await host();
  await signedIn(on);
  await ready(on);
  issuer.refreshable.clear();
  await until(async () => (await called(on)).code === NEEDED);
  const asked = issuer.exchanges.length;
  for (let i = 0; i < 3; i += 1)
    expect(await called(on)).toEqual({
      code: NEEDED,
      message: 'far.add was not started: its authorization server refused to renew it (invalid_grant). Sign in: `corral tools login far`.',
    });
  expect(issuer.exchanges.length).toBe(asked);
  expect((await on.admin.listToolReviews({})).items).toMatchObject([{ needs_login: ['host'] }]);
  expect((await eventsOf(on.host)).filter(({ kind }) => kind === 'tools.suspended')).toHaveLength(1);
  issuer.life_s = 300;
  await signedIn(on);
  expect(await called(on)).toMatchObject(SUM);
});

test('an authorization server that cannot be asked ends no login, and is not asked at each call', async () => {
  issuer.life_s = 1;
  const on = await host();
  await signedIn(on);
  await ready(on);
  await expired(on);
  issuer.broken = 503;
  const asked = issuer.exchanges.length;
  for (let i = 0; i < 2; i += 1)
    expect(await called(on)).toMatchObject(refusedWith('CORRAL_TOOL_FAILED', /its authorization server could not be asked/));
  expect((await on.admin.listToolReviews({})).items).toMatchObject([{ needs_login: [] }]);
  expect(issuer.exchanges.length).toBe(asked);
  issuer.broken = undefined;
  issuer.life_s = 300;
  await until(async () => (await called(on)).code === undefined);
});

test('a server that accepts no token of the login leads to one renewal, and not to one for each call', async () => {
  const on = common;
  await signedIn(on);
  await ready(on);
  issuer.forge = true;
  expect(await signedIn(on)).toMatchObject({ tools: null, credential: { in_force: true } });
  // The host tries such a call several times.
  expect(await called(on)).toMatchObject(refusedWith('CORRAL_TOOL_FAILED', /does not accept/));
  expect(exchanged('refresh_token')).toBe(1);
  issuer.forge = false;
  await signedIn(on);
  expect(await called(on)).toMatchObject(SUM);
});

test('an answer with another state, at another port, of another issuer, or a second time signs nobody in', async () => {
  const on = common;
  const { begun, redirect, finish } = await signIn(on);
  const answer = (change: (address: URL) => void) => {
    const address = new URL(redirect);
    change(address);
    return on.admin.finishLogin({ params: { login: begun.login }, body: { redirect: address.href } });
  };
  const other = refusedWith('CORRAL_LOGIN_REFUSED', /its address or its state is another one/);
  await expect(answer(({ searchParams }) => searchParams.set('state', 'x'))).rejects.toMatchObject(other);
  await expect(answer(({ searchParams }) => searchParams.append('state', 'x'))).rejects.toMatchObject(other);
  await expect(answer((address) => (address.port = '49153'))).rejects.toMatchObject(other);
  await expect(answer((address) => (address.pathname = '/other'))).rejects.toMatchObject(other);
  // Somebody else may not finish it.
  const eva = await on.as('*', 'admin');
  await expect(eva.finishLogin({ params: { login: begun.login }, body: { redirect } })).rejects.toMatchObject({
    code: 'CORRAL_LOGIN_UNKNOWN',
  });
  expect(exchanged('authorization_code')).toBe(0);
  // The login still waits: what anybody sends to the port of a person ends nothing.
  await finish();
  await expect(finish()).rejects.toMatchObject({ code: 'CORRAL_LOGIN_UNKNOWN' });
  const next = await signIn(on);
  issuer.refreshable.clear();
  const code = new URL(redirect).searchParams.get('code') ?? '';
  const twice = new URL(next.redirect);
  twice.searchParams.set('code', code);
  await expect(on.admin.finishLogin({ params: { login: next.begun.login }, body: { redirect: twice.href } })).rejects.toMatchObject(
    refusedWith('CORRAL_LOGIN_REFUSED', /its authorization server refused it with invalid_grant/),
  );
});

test('an answer that another authorization server made is not taken, whether it says so or leaves out who it is', async () => {
  const on = common;
  for (const change of [(at: URL) => at.searchParams.set('iss', 'https://evil.example'), (at: URL) => at.searchParams.delete('iss')]) {
    issuer.answer = (at) => (change(at), at);
    const { finish } = await signIn(on);
    await expect(finish()).rejects.toMatchObject(refusedWith('CORRAL_LOGIN_REFUSED', /of another authorization server than the one/));
  }
  expect(exchanged('authorization_code')).toBe(0);
  issuer.answer = (at) => (at.searchParams.delete('code'), at.searchParams.set('error', 'access_denied'), at);
  await expect((await signIn(on)).finish()).rejects.toMatchObject(refusedWith('CORRAL_LOGIN_REFUSED', /answered with access_denied/));
});

test('an authorization server that the configuration does not name, or that calls itself otherwise, registers nobody', async () => {
  const on = await host({ issuer: 'https://login.example.com' });
  const before = issuer.registered.length;
  await expect(on.admin.beginLogin({ body: { server: 'far', redirect: REDIRECT } })).rejects.toMatchObject(
    refusedWith('CORRAL_LOGIN_REFUSED', /another authorization server \(http:\/\/localhost.*than the configuration/),
  );
  const open = await host();
  issuer.describe = (document) => ({ ...document, issuer: 'https://evil.example' });
  await expect(open.admin.beginLogin({ body: { server: 'far', redirect: REDIRECT } })).rejects.toMatchObject({
    code: 'CORRAL_LOGIN_REFUSED',
  });
  issuer.describe = (document) => ({ ...document, code_challenge_methods_supported: ['plain'] });
  await expect(open.admin.beginLogin({ body: { server: 'far', redirect: REDIRECT } })).rejects.toMatchObject({
    code: 'CORRAL_LOGIN_REFUSED',
  });
  expect(issuer.registered.length - before).toBeLessThanOrEqual(1);
});

test('who signs out revokes the tokens at the authorization server, and a revoked account is given to nobody', async () => {
  const on = common;
  await signedIn(on);
  await ready(on);
  expect(await called(on)).toMatchObject(SUM);
  await on.admin.revokeSecret({ body: { account: 'far:login:host', reason } });
  expect(await called(on)).toMatchObject(refusedWith('CORRAL_TOOL_FAILED', /the login far:login:host was revoked by .*: test/));
  await on.admin.restoreSecret({ body: { account: 'far:login:host', reason } });
  expect(await called(on)).toMatchObject(SUM);
  const [refresh] = [...issuer.refreshable.keys()].slice(-1);
  expect(await on.admin.logout({ body: { server: 'far', reason } })).toMatchObject({ revoked: 'yes', credential: { is_there: false } });
  expect(issuer.revoked).toContain(refresh);
  expect(await called(on)).toMatchObject({ code: NEEDED });
  expect(await on.admin.logout({ body: { server: 'far', reason } })).toMatchObject({ revoked: 'nothing' });
  const rows = (await on.admin.listOperations({ query: {} })).items;
  expect(rows).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ operation: 'logout', target: { account: 'far:login:host', revoked: 'yes' }, reason }),
    ]),
  );
});

test('logins belong to somebody: a call has the account that is for its caller, and none of another one', async () => {
  const on = await host({ accounts: { sales: { for: { agents: ['seller'] } }, rest: { for: { agents: ['adder'] } } } });
  await expect(on.admin.beginLogin({ body: { server: 'far', redirect: REDIRECT } })).rejects.toMatchObject(
    refusedWith('CORRAL_REQUEST_INVALID', /several accounts; name one of: sales, rest/),
  );
  await signedIn(on, 'sales');
  await hasTools(on);
  for (const name of ['seller', 'adder', 'stranger']) await on.deploy(ADDER.replace("'adder'", `'${name}'`));
  expect(await called(on, 'seller')).toMatchObject(SUM);
  expect(await called(on, 'adder')).toMatchObject(
    refusedWith(NEEDED, /nobody is signed in there\. Sign in: `corral tools login far --account rest`/),
  );
  expect(await called(on, 'stranger')).toMatchObject(refusedWith('CORRAL_TOOL_FAILED', /has no login for the agent stranger/));
  expect((await on.admin.listSecrets({})).items).toMatchObject([
    { account: 'far:login:sales', for: { agents: ['seller'] }, is_there: true, used_by: { agent: 'seller' } },
    { account: 'far:login:rest', for: { agents: ['adder'] }, is_there: false, used_by: null },
  ]);
});

test('a server that wants more than was agreed to refuses the call, and the next login asks for that as well', async () => {
  const on = common;
  await signedIn(on);
  await ready(on);
  expect(await called(on)).toMatchObject(SUM);
  onTestFinished(() => void refuseFor({}));
  await refuseFor({ lacks: 'files:write' });
  expect(await called(on)).toMatchObject(
    refusedWith(NEEDED, /less than the server wants \(files:write\)\. Sign in: `corral tools login far`/),
  );
  await refuseFor({});
  const { begun, finish } = await signIn(on);
  expect(new URL(begun.address).searchParams.get('scope')).toBe('files:write');
  await finish();
  expect(await called(on)).toMatchObject(SUM);
});

test('a server that could not list its tools at the login is asked again for a review, where its list is accepted', async () => {
  const on = await host();
  onTestFinished(() => void refuseFor({}));
  const { finish } = await signIn(on);
  await refuseFor({ lacks: 'files:write' });
  expect(await finish()).toMatchObject({ tools: null, credential: { in_force: true } });
  await refuseFor({});
  const [review] = (await on.admin.listToolReviews({})).items;
  expect(review).toMatchObject({ accepted: null, offered: { tools: 7 }, needs_login: [] });
  await on.admin.acceptTools({ params: { source: 'mcp:far' }, body: { digest: review?.offered?.digest ?? '', reason } });
  await hasTools(on);
});

test('a login is good for the origin and the authorization server that it was made for, and is not used when the configuration names another', async () => {
  const on = await host();
  await signedIn(on);
  await on.host.close(1_000);
  const sent = issuer.exchanges.length;
  for (const [change, why] of [
    [{ url: server.replace('127.0.0.1', 'localhost') }, /^the login is one for http:\/\/127\.0\.0\.1:\d+$/],
    [{ login: { issuer: 'https://login.example.com' } }, /another authorization server than the configuration names/],
  ] as const) {
    const far = { url: server, private: true, trusted: true, only: ['add', 'echoText'], login: {}, ...change };
    const next = await front({ data: on.data, configText: JSON.stringify({ policies: 'none', mcp: { far } }) });
    const [listed] = (await next.admin.listSecrets({})).items;
    expect(listed).toMatchObject({ is_there: false, login: { why: expect.stringMatching(why) as string } });
    await next.host.close(1_000);
  }
  // A backup that is restored with other keys holds no login.
  const other = await front({ data: on.data, env: { ...process.env, CORRAL_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') } }).catch(
    (error: unknown) => error,
  );
  expect(other).toMatchObject({ code: expect.stringMatching(/^CORRAL_KEYS_/) as string });
  expect(issuer.exchanges.length).toBe(sent);
});

test('tokens that cannot be sent are not kept, and how a registered client shows its secret is', async () => {
  const on = common;
  issuer.life_s = 1;
  issuer.method = 'client_secret_post';
  await signedIn(on);
  await expired(on);
  issuer.life_s = 300;
  await ready(on);
  expect(await called(on)).toMatchObject(SUM);
  expect(exchanged('refresh_token')).toBeGreaterThan(0);
  for (const strange of [{ token_type: 'mac' }, { access_token: 'a\r\nx-other: b' }]) {
    issuer.tokens = strange;
    await expect(signedIn(on)).rejects.toMatchObject({ code: 'CORRAL_LOGIN_REFUSED' });
  }
  issuer.tokens = {};
  expect(await called(on)).toMatchObject(SUM);
});

test('only an operator or an admin of the host signs it in', async () => {
  const on = common;
  const body = { server: 'far', redirect: REDIRECT } as const;
  for (const client of [await on.as('local', 'admin'), await on.as('*', 'developer'), await on.as('*', 'auditor')])
    await expect(client.beginLogin({ body })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await (await on.as('*', 'operator')).beginLogin({ body });
});

test('what the authorization server gave is in no file, journal, event, answer or line of the log, whoever repeats it', async () => {
  issuer.life_s = 1;
  const on = await host();
  const { begun, redirect, finish } = await signIn(on);
  const answers: object[] = [begun, await finish()];
  await ready(on);
  await until(async () => (expect(await called(on)).toMatchObject(SUM), exchanged('refresh_token') > 0));
  // An agent that has got hold of a token is told its name for it by a server that repeats it.
  const token = [...issuer.refreshable.keys()].at(-1) ?? '';
  await on.deploy(ECHO);
  const said = await called(on, 'echo', [token.slice(0, 12), token.slice(12)]);
  expect(JSON.stringify(said)).toContain('[secret:far:login:host]');
  issuer.refreshable.clear();
  await until(async () => (await called(on)).code === NEEDED);
  answers.push(await on.admin.logout({ body: { server: 'far', reason } }));
  const { items } = await on.admin.listRuns({ query: {} });
  const journals = await Promise.all(
    items.filter(({ agent }) => agent === 'adder').map(({ run }) => on.admin.runJournal({ params: { run } })),
  );
  const lists = [
    await on.admin.listSecrets({}),
    await on.admin.listOperations({ query: {} }),
    await on.admin.showConfig({}),
    await eventsOf(on.host),
  ];
  await on.host.close(1_000);
  const files = await Promise.all((await readdir(on.data)).map((name) => readFile(join(on.data, name), 'latin1').catch(() => '')));
  const all = [...answers, ...journals, ...lists].map((one) => JSON.stringify(one)).join('\n') + logged + files.join('\n');
  expect(issuer.given.size).toBeGreaterThan(4);
  const code = new URL(redirect).searchParams.get('code') ?? 'none';
  for (const secret of [...issuer.given, code])
    expect(all.indexOf(secret) < 0 ? '' : all.slice(Math.max(0, all.indexOf(secret) - 300)).slice(0, 700)).toBe('');
});
