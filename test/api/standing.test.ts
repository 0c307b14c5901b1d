/** A held request or stream lasts as long as its credential; and a follower is in nobody's way. */
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { FOLLOWERS } from '@corral/protocol/limits';
import { front, HELLO, shortFolder, SLEEP, type Front } from '../front.ts';
import { found, until } from '../until.ts';

interface Stream {
  readonly status: number;
  text: string;
  ended: boolean;
  readonly incoming: IncomingMessage;
}

/** Follows events over a connection of its own. */
function follow(url: string, secret: string, headers: Record<string, string> = {}, path = '/v1/events'): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { agent: false, headers: { authorization: `Bearer ${secret}`, ...headers } }, (incoming) => {
      const stream: Stream = { status: incoming.statusCode ?? 0, text: '', ended: false, incoming };
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => (stream.text += chunk));
      incoming.on('close', () => (stream.ended = true));
      incoming.on('error', () => undefined);
      resolve(stream);
    });
    asked.on('error', reject);
    asked.end();
    onTestFinished(() => void asked.destroy());
  });
}
const status = async (url: string, secret: string) =>
  (await fetch(`${url}/v1/whoami`, { headers: { authorization: `Bearer ${secret}` } })).status;

/** An issuer whose keys are served at `/NAME/keys`. */
async function issuers() {
  const keys = new Map<string, { readonly jwk: object; readonly key: CryptoKey }>();
  const server = createServer((incoming, answer) => {
    answer.setHeader('content-type', 'application/json');
    const known = keys.get(incoming.url?.split('/').at(-2) ?? '');
    answer.end(JSON.stringify({ keys: known === undefined ? [] : [known.jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const add = async (name: string) => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    keys.set(name, { jwk: { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }, key: privateKey });
  };
  const jwt = (key: string, issuer: string, claims: Record<string, unknown> = {}, expires: string | number = '5m') =>
    new SignJWT({ corral_tenant: 'own', corral_roles: ['operator'], sub: 'ana', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer(issuer)
      .setAudience('corral')
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(keys.get(key)?.key as CryptoKey);
  return { base, add, jwt };
}

/** A host whose configuration can be written again and applied. */
async function configured(config: object): Promise<Front & { readonly apply: (next: object) => Promise<void> }> {
  const folder = await shortFolder();
  const file = join(folder, 'corral.config.json');
  await writeFile(file, JSON.stringify(config));
  const made = await front({ config: file });
  const apply = async (next: object) => {
    await writeFile(file, JSON.stringify(next));
    await made.admin.applyConfig({});
  };
  return { ...made, apply };
}

describe('a stream ends with the credential that opened it', () => {
  test('at once when a token is revoked, and nothing that happens afterwards is told', async () => {
    const { admin, url, deploy } = await front();
    await deploy(HELLO);
    const made = await admin.makeToken({ body: { name: 'ci', roles: ['operator'] } });
    const other = await admin.makeToken({ body: { name: 'other', roles: ['operator'] } });
    const stream = await follow(url, made.secret);
    const beside = await follow(url, other.secret);
    await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
    await until(async () => stream.text.includes('run.ended') && beside.text.includes('run.ended'));
    await admin.revokeToken({ params: { token: made.token } });
    const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'B' } } });
    await until(async () => stream.ended && beside.text.includes(run));
    expect(stream.text).not.toContain(run);
    expect(beside.ended).toBe(false);
  });

  test('at its expiry, for a token and for a JSON web token', async () => {
    const { base, add, jwt } = await issuers();
    await add('a');
    const issuer = `${base}/a`;
    const { admin, url } = await configured({
      tenants: { own: {} },
      people: { issuers: [{ issuer, audience: 'corral', jwks_uri: `${base}/a/keys` }] },
    });
    const brief = await admin.makeToken({ body: { name: 'brief', roles: ['operator'], expires_in_ms: 1500 } });
    const long = await jwt('a', issuer);
    const soon = await jwt('a', issuer, {}, Math.floor(Date.now() / 1000) + 2);
    const streams = await Promise.all([brief.secret, soon, long].map((secret) => follow(url, secret)));
    expect(streams.map((one) => one.status)).toEqual([200, 200, 200]);
    await until(async () => streams[0]?.ended === true && streams[1]?.ended === true);
    expect(streams[2]?.ended).toBe(false);
    expect(await status(url, long)).toBe(200);
  });

  test('so do a wait for an end and one for more of a journal', async () => {
    const { admin, url, deploy, host } = await front();
    await deploy(SLEEP);
    const { run } = await admin.submitRun({ body: { agent: 'sleeper' } });
    await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
    const { token, secret } = await admin.makeToken({ body: { name: 'ci', roles: ['developer'] } });
    // The run waits a moment before its first entry is durable.
    const { length } = await found(async () => {
      const { items } = await admin.runJournal({ params: { run }, query: {} });
      return items.length > 0 ? items : undefined;
    }, 'the first entry');
    const [forEnd, forJournal] = [vi.spyOn(host.door.projection, 'waitForEnd'), vi.spyOn(host.door.host, 'journal')];
    const waits = Promise.all(
      [`/v1/runs/${run}?wait_ms=60000`, `/v1/runs/${run}/journal?after=${length}&wait_ms=60000`].map((path) =>
        follow(url, secret, {}, path),
      ),
    );
    await until(() => forEnd.mock.calls.length > 0, 'the first request waits for the end of the run');
    await until(() => forJournal.mock.calls.length > 1, 'the second request has found no more of the journal, and looks again');
    await admin.revokeToken({ params: { token } });
    expect((await waits).map((one) => one.status)).toEqual([401, 401]);
  });
});

describe('an issuer of a configuration', () => {
  const config = (...list: object[]) => ({ tenants: { own: {}, other: {} }, people: { issuers: list } });

  test('has its new keys used and its old ones refused as soon as they are applied; streams end with the keys that opened them', async () => {
    const { base, add, jwt } = await issuers();
    await add('a');
    await add('b');
    const issuer = `${base}/idp`;
    const of = (name: string) => config({ issuer, audience: 'corral', jwks_uri: `${base}/${name}/keys` });
    const { url, apply, admin, deploy } = await configured(of('a'));
    await deploy(HELLO, { tenant: 'own' });
    const [old, fresh] = [await jwt('a', issuer), await jwt('b', issuer)];
    expect([await status(url, old), await status(url, fresh)]).toEqual([200, 401]);
    const stream = await follow(url, old);
    await apply(of('b'));
    expect([await status(url, old), await status(url, fresh)]).toEqual([401, 200]);
    const { run } = await admin.submitRun({ body: { agent: 'hello', tenant: 'own', input: { name: 'A' } } });
    await until(async () => stream.ended);
    expect(stream.text).not.toContain(run);
    // The same address has other keys by now, and the file is as it was.
    await add('b');
    await admin.applyConfig({});
    expect([await status(url, fresh), await status(url, await jwt('b', issuer))]).toEqual([401, 200]);
  });

  test('is taken out, has another audience or other claims: what its tokens opened ends', async () => {
    const { base, add, jwt } = await issuers();
    await add('a');
    const one = { issuer: `${base}/a`, audience: 'corral', jwks_uri: `${base}/a/keys` };
    for (const next of [[], [{ ...one, audience: 'others' }], [{ ...one, roles_claim: 'roles' }], [{ ...one, tenants: ['other'] }]]) {
      const { url, apply } = await configured(config(one));
      const stream = await follow(url, await jwt('a', one.issuer));
      expect(stream.status).toBe(200);
      await apply(config(...next));
      await until(async () => stream.ended);
    }
  });

  test('can have one subject, or all tokens from before a moment, revoked', async () => {
    const { base, add, jwt } = await issuers();
    await add('a');
    const one = { issuer: `${base}/a`, audience: 'corral', jwks_uri: `${base}/a/keys` };
    const { url, apply } = await configured(config(one));
    const [ana, bob] = [await jwt('a', one.issuer), await jwt('a', one.issuer, { sub: 'bob' })];
    const streams = [await follow(url, ana), await follow(url, bob)];
    await apply(config({ ...one, revoked: ['ana'] }));
    expect([await status(url, ana), await status(url, bob)]).toEqual([401, 200]);
    await until(async () => streams[0]?.ended === true);
    expect(streams[1]?.ended).toBe(false);
    await apply(config({ ...one, issued_after: new Date(Date.now() + 60_000).toISOString() }));
    expect([await status(url, ana), await status(url, bob)]).toEqual([401, 401]);
  });

  test('speaks for its own tenants alone, and its realm is in the names of its subjects', async () => {
    const { base, add, jwt } = await issuers();
    await add('a');
    await add('b');
    const of = (name: string, tenants: string[]) => ({
      issuer: `${base}/realms/${name}`,
      audience: 'corral',
      jwks_uri: `${base}/${name}/keys`,
      tenants,
    });
    const { url } = await configured(config(of('a', ['own']), of('b', ['other'])));
    const me = async (name: string, claims: Record<string, unknown>) => {
      const token = await jwt(name, `${base}/realms/${name}`, claims);
      const answer = await fetch(`${url}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
      return answer.status === 200 ? ((await answer.json()) as { principal: string }).principal : answer.status;
    };
    const host = new URL(base).host;
    expect(await me('a', {})).toBe(`oidc:${host}/realms/a/ana`);
    expect(await me('b', { corral_tenant: 'other' })).toBe(`oidc:${host}/realms/b/ana`);
    expect(await me('b', { corral_tenant: 'own' })).toBe(401);
    expect(await me('a', { corral_tenant: 'other' })).toBe(401);
    // Two subjects never have one name, however they are spelt.
    expect(await me('a', { sub: 'x/y' })).toBe(`oidc:${host}/realms/a/x%2Fy`);
    expect(await me('a', { sub: 'x%2Fy' })).toBe(`oidc:${host}/realms/a/x%252Fy`);
    const long = 's'.repeat(250);
    expect([await me('a', { sub: `${long}1` }), await me('a', { sub: `${long}2` })]).toEqual([
      `oidc:${host}/realms/a/${long}1`,
      `oidc:${host}/realms/a/${long}2`,
    ]);
    for (const sub of ['s'.repeat(600), '', 7, { a: 1 }, '\ud800']) expect(await me('a', { sub })).toBe(401);
  });

  test('is refused where its subjects would have the names of another’s, or nothing says whom it speaks for', async () => {
    const refused = async (...list: object[]) => {
      const file = join(await shortFolder(), 'corral.config.json');
      await writeFile(file, JSON.stringify(config(...list)));
      return front({ config: file }).then(
        () => '',
        (error: Error) => error.message,
      );
    };
    const one = { issuer: 'https://idp.example/a', audience: 'corral', tenants: ['own'] };
    expect(await refused(one, { ...one, issuer: 'https://idp.example/a/' })).toContain('people.issuers.1.issuer');
    expect(await refused(one, { issuer: 'https://idp.example/b', audience: 'corral' })).toContain('people.issuers.1.tenants');
    expect(await refused({ ...one, tenants: ['nowhere'] })).toContain('there is no tenant nowhere');
    expect(await refused({ ...one, issuer: 'https://idp.example/a?realm=b' })).toContain('query');
  });
});

describe('one who follows', () => {
  test('does not lock others out: neither other people of their tenant, nor other tenants, nor admins of the host', async () => {
    const made = await front({ configText: JSON.stringify({ tenants: { own: {}, other: {} } }) });
    const greedy = await made.as('own', 'developer');
    const count = FOLLOWERS.followers_per_principal.default;
    const streams = await Promise.all(Array.from({ length: count }, () => follow(made.url, greedy.secret)));
    expect(streams.every((one) => one.status === 200)).toBe(true);
    expect((await follow(made.url, greedy.secret)).status).toBe(429);
    for (const [tenant, role] of [
      ['own', 'developer'],
      ['other', 'operator'],
      ['*', 'admin'],
    ] as const)
      expect((await follow(made.url, (await made.as(tenant, role)).secret)).status).toBe(200);
    // A place that is given up is there again.
    streams[0]?.incoming.destroy();
    await until(async () => (await follow(made.url, greedy.secret)).status === 200);
  });

  test('and comes back from far behind is told in slices: others are served meanwhile, and it misses nothing', async () => {
    const made = await front();
    const { feed } = made.host.door;
    const COUNT = 15_000;
    const from = feed.last;
    for (let i = 0; i < COUNT; i++)
      feed.tell('run.emitted', { tenant: 'local', run: 'run_000000000000', data: { i, text: 'x'.repeat(100) } });
    const { secret } = await made.as('local', 'operator');
    let turns = 0;
    let going = true;
    const count = () => {
      turns += 1;
      if (going) setImmediate(count);
    };
    const stream = await follow(made.url, secret, { 'last-event-id': from });
    count();
    feed.tell('run.emitted', { tenant: 'local', run: 'run_000000000000', data: { i: COUNT, text: '' } });
    await until(async () => stream.text.includes(`"i":${COUNT},`));
    going = false;
    const seen = [...stream.text.matchAll(/"i":(\d+),/g)].map(([, i]) => Number(i));
    expect(seen).toEqual(Array.from({ length: COUNT + 1 }, (_, i) => i));
    expect(turns).toBeGreaterThan(COUNT / 500);
  });

  test('and does not read holds up nobody, and is told that it missed something', async () => {
    const made = await front();
    const { feed } = made.host.door;
    const { secret } = await made.as('local', 'operator');
    const stream = await follow(made.url, secret);
    stream.incoming.pause();
    const text = 'x'.repeat(200_000);
    for (let i = 0; i < 500; i++) feed.tell('run.emitted', { tenant: 'local', data: { i, text } });
    // The events in memory are bounded by their size.
    expect(feed.bytes).toBeLessThan(20 * 1024 * 1024);
    stream.incoming.resume();
    await until(async () => stream.text.includes('event: reset'));
    feed.tell('run.emitted', { tenant: 'local', data: 'afterwards' });
    await until(async () => stream.text.includes('afterwards'));
    expect(stream.text.length).toBeLessThan(500 * text.length);
  });
});
