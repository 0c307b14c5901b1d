import { createServer } from 'node:http';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { stat } from 'node:fs/promises';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DOOR, FOLLOWERS } from '@corral/protocol/limits';
import { may, OPERATIONS, Role, type Operation, type Principal } from '@corral/protocol/api/roles';
import { HELLO, SLEEP, front, onTables, type Front } from '../front.ts';
import { until } from '../until.ts';

const TENANTS = JSON.stringify({
  tenants: { own: {}, other: {} },
  secrets: { hook: { env: 'HOOK' } },
  webhooks: ['own', 'other'].map((tenant) => ({ id: tenant, tenant, url: 'http://127.0.0.1:9', secret: 'hook', events: ['run.held'] })),
});
/** The status and code of each refusal; a run of another tenant is not even there. */
const REFUSED = new Set(['CORRAL_FORBIDDEN', 'CORRAL_RUN_UNKNOWN', 'CORRAL_GRANT_UNKNOWN', 'CORRAL_WEBHOOK_UNKNOWN']);

interface Ask {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
interface Ground {
  readonly runs: Readonly<Record<string, string>>;
  readonly grants: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
}

/** One request for each operation, about something of a tenant. */
const ASK: { readonly [K in Operation]: (tenant: string, ground: Ground) => Ask } = {
  'agent.read': (tenant) => ({ method: 'GET', path: `/v1/agents?tenant=${tenant}` }),
  'agent.deploy': (tenant) => ({ method: 'POST', path: '/v1/agents', body: { tenant, source: 'no bundle' } }),
  'agent.alias': (tenant, { versions }) => ({
    method: 'PUT',
    path: '/v1/agents/hello/aliases/prod',
    body: { tenant, version: versions[tenant] },
  }),
  'run.submit': (tenant) => ({ method: 'POST', path: '/v1/runs', body: { tenant, agent: 'hello', input: { name: 'A' } } }),
  'service.send': (tenant) => ({ method: 'POST', path: `/v1/services/claims/order-7/claim?tenant=${tenant}`, body: {} }),
  'run.read': (tenant, { runs }) => ({ method: 'GET', path: `/v1/runs/${runs[tenant]}` }),
  'run.payload': (tenant, { runs }) => ({ method: 'GET', path: `/v1/runs/${runs[tenant]}/journal` }),
  'run.private': (tenant, { runs }) => ({ method: 'GET', path: `/v1/runs/${runs[tenant]}`, headers: { 'corral-private-reason': 'test' } }),
  'run.pause': (tenant, ground) => operate('pause', tenant, ground),
  'run.resume': (tenant, ground) => operate('resume', tenant, ground),
  'run.cancel': (tenant, ground) => operate('cancel', tenant, ground),
  'run.kill': (tenant, ground) => operate('kill', tenant, ground),
  'run.resolve': (tenant, { runs }) => ({
    method: 'POST',
    path: `/v1/runs/${runs[tenant]}/calls/7/resolution`,
    body: { how: 'fail', reason: 'test' },
  }),
  'run.fork': (tenant, { runs }) => ({ method: 'POST', path: `/v1/runs/${runs[tenant]}/fork`, body: { at: 99 } }),
  'run.erase': (tenant, { runs }) => ({ method: 'POST', path: `/v1/runs/${runs[tenant]}/erase`, body: { reason: 'test', dryRun: true } }),
  'memory.read': (tenant) => ({ method: 'GET', path: `/v1/memory?tenant=${tenant}` }),
  'memory.remove': (tenant) => ({
    method: 'POST',
    path: '/v1/memory/remove',
    body: { tenant, memory: 'notes', reason: 'test', dryRun: true },
  }),
  'evidence.verify': (tenant) => ({ method: 'POST', path: '/v1/verify', body: { tenant } }),
  'evidence.collect': (tenant) => ({ method: 'POST', path: '/v1/gc', body: { tenant, dryRun: true } }),
  'host.backup': () => ({ method: 'POST', path: '/v1/backups', body: { to: 'nowhere' } }),
  'run.mark': (tenant, { runs }) => ({
    method: 'POST',
    path: `/v1/runs/${runs[tenant]}/marks`,
    body: { verdict: 'false_alarm', reason: 'test' },
  }),
  'mark.read': (tenant) => ({ method: 'GET', path: `/v1/tuning?tenant=${tenant}` }),
  'profile.read': (tenant) => ({ method: 'GET', path: `/v1/agents/hello/profile?tenant=${tenant}` }),
  'profile.write': (tenant) => ({ method: 'POST', path: '/v1/agents/hello/profile', body: { tenant, reason: 'test' } }),
  'approval.read': (tenant) => ({ method: 'GET', path: `/v1/approvals?tenant=${tenant}` }),
  'approval.decide': (tenant, { runs }) => ({
    method: 'POST',
    path: `/v1/approvals/${runs[tenant]}/7`,
    body: { verdict: 'deny', reason: 'test' },
  }),
  'grant.revoke': (tenant, { grants }) => ({ method: 'POST', path: `/v1/grants/${grants[tenant]}/revoke`, body: { reason: 'test' } }),
  'policy.read': (tenant) => ({ method: 'GET', path: `/v1/policies/shadow?tenant=${tenant}` }),
  'spend.read': (tenant) => ({ method: 'GET', path: `/v1/spend?tenant=${tenant}` }),
  'quarantine.read': (tenant) => ({ method: 'GET', path: `/v1/quarantines?tenant=${tenant}` }),
  'quarantine.write': (tenant) => ({ method: 'DELETE', path: `/v1/quarantines/agent/hello?tenant=${tenant}&reason=test` }),
  'operation.read': (tenant) => ({ method: 'GET', path: `/v1/operations?tenant=${tenant}` }),
  'schedule.read': (tenant) => ({ method: 'GET', path: `/v1/schedules?tenant=${tenant}` }),
  'schedule.write': (tenant) => ({
    method: 'POST',
    path: '/v1/schedules',
    body: { tenant, agent: 'hello', input: { name: 'A' }, cron: '0 0 1 1 *' },
  }),
  'token.read': (tenant) => ({ method: 'GET', path: `/v1/tokens?tenant=${tenant}` }),
  'token.write': (tenant) => ({ method: 'POST', path: '/v1/tokens', body: { tenant, name: 'x', roles: ['auditor'] } }),
  'secret.read': () => ({ method: 'GET', path: '/v1/secrets' }),
  'secret.write': () => ({ method: 'POST', path: '/v1/secrets/revocations', body: { account: 'x:env:X', reason: 'test' } }),
  'login.write': () => ({ method: 'POST', path: '/v1/logouts', body: { server: 'none', reason: 'test' } }),
  'webhook.read': (tenant) => ({ method: 'GET', path: `/v1/webhooks?tenant=${tenant}` }),
  'webhook.retry': (tenant) => ({ method: 'POST', path: '/v1/webhooks/retry', body: { hook: tenant, reason: 'test' } }),
  'metrics.read': () => ({ method: 'GET', path: '/metrics' }),
  'host.read': () => ({ method: 'GET', path: '/v1/nodes' }),
  'config.read': () => ({ method: 'GET', path: '/v1/config' }),
  'config.apply': () => ({ method: 'POST', path: '/v1/config/check' }),
};
const operate = (operation: string, tenant: string, { runs }: Ground): Ask => ({
  method: 'POST',
  path: '/v1/operations',
  body: { operation, target: { run: runs[tenant] }, reason: 'test', dryRun: true },
});

async function ask(url: string, secret: string, { method, path, body, headers }: Ask): Promise<{ status: number; code: string }> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { code = '' } = (await answer.json()) as { code?: string };
  return { status: answer.status, code };
}

async function ground({ admin, deploy }: Front): Promise<Ground> {
  const runs: Record<string, string> = {};
  const grants: Record<string, string> = {};
  const versions: Record<string, string> = {};
  for (const tenant of ['own', 'other']) {
    versions[tenant] = await deploy(HELLO, { tenant });
    await deploy(SLEEP, { tenant });
    const { run } = await admin.submitRun({ body: { agent: 'sleeper', tenant: tenant } });
    runs[tenant] = run;
    grants[tenant] = (await admin.showRun({ params: { run } })).caps[0]?.grant ?? '';
  }
  return { runs, grants, versions };
}

test('every cell of the authorisation matrix is as the table says, over HTTP', async () => {
  const made = await front({ configText: TENANTS });
  const on = await ground(made);
  const wrong: string[] = [];
  let cells = 0;
  for (const role of Role.options) {
    for (const home of ['own', '*']) {
      const principal: Principal = { id: 'x', tenant: home, roles: [role] };
      const { secret } = await made.as(home, role);
      for (const operation of Object.keys(OPERATIONS) as Operation[]) {
        for (const tenant of ['own', 'other']) {
          const row = OPERATIONS[operation];
          const expected = may(principal, operation, 'host' in row ? undefined : tenant);
          const { status, code } = await ask(made.url, secret, ASK[operation](tenant, on));
          cells += 1;
          const allowed = status !== 401 && !REFUSED.has(code);
          if (allowed !== expected || status >= 500) wrong.push(`${role} of ${home}: ${operation} in ${tenant}: ${status} ${code}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(cells).toBe(Role.options.length * 2 * Object.keys(OPERATIONS).length * 2);
});

test('another tenant’s run and no run at all are answered in the same words', async () => {
  const made = await front({ configText: TENANTS });
  const { runs } = await ground(made);
  const { secret } = await made.as('own', 'operator', 'developer');
  const text = async (run: string) =>
    (await (await fetch(`${made.url}/v1/runs/${run}`, { headers: { authorization: `Bearer ${secret}` } })).text()).replaceAll(run, 'RUN');
  expect(await text(runs['other'] ?? '')).toBe(await text('run_000000000000'));
  const forbidden = async (tenant: string) =>
    (await fetch(`${made.url}/v1/runs?tenant=${tenant}`, { headers: { authorization: `Bearer ${secret}` } })).text();
  expect(await forbidden('other')).toBe(await forbidden('nobody'));
  const listed = (await (await fetch(`${made.url}/v1/runs`, { headers: { authorization: `Bearer ${secret}` } })).json()) as {
    items: { tenant: string }[];
  };
  expect(new Set(listed.items.map(({ tenant }) => tenant))).toEqual(new Set(['own']));
});

describe('a token', () => {
  test('is of no use once it is revoked, or has expired', async () => {
    const { admin, url } = await front();
    const made = await admin.makeToken({ body: { name: 'ci', roles: ['developer'] } });
    const me = () => ask(url, made.secret, { method: 'GET', path: '/v1/whoami' });
    expect((await me()).status).toBe(200);
    await admin.revokeToken({ params: { token: made.token } });
    expect((await me()).status).toBe(401);
    const brief = await admin.makeToken({ body: { name: 'brief', roles: ['developer'], expires_in_ms: 1000 } });
    const withBrief = () => ask(url, brief.secret, { method: 'GET', path: '/v1/whoami' });
    await until(async () => (await withBrief()).status === 401, 'the token that stands for a second is refused');
  });

  test('is nowhere in the data folder, nor in a list', async () => {
    const { admin, host } = await front();
    const { secret } = await admin.makeToken({ body: { name: 'ci', roles: ['developer'] } });
    expect(JSON.stringify(await admin.listTokens({}))).not.toContain(secret);
    expect(onTables(host, 'SELECT * FROM tokens').some((row) => JSON.stringify(row).includes(secret.slice(7)))).toBe(false);
  });

  test('of a tenant’s admin makes no token for another tenant or for the host', async () => {
    const made = await front({ configText: TENANTS });
    const { secret } = await made.as('own', 'admin');
    for (const tenant of ['other', '*'])
      expect(
        (await ask(made.url, secret, { method: 'POST', path: '/v1/tokens', body: { tenant, name: 'x', roles: ['admin'] } })).code,
      ).toBe('CORRAL_FORBIDDEN');
  });

  test('is answered with 429 and a time when it asks too often', async () => {
    const made = await front({ configText: JSON.stringify({ door: { rate_per_s: 1, burst: 5 } }) });
    const { secret } = await made.as('local', 'auditor');
    const answers = await Promise.all(
      // A slow machine takes seconds for them, and has to refuse some as well.
      Array.from({ length: 40 }, () => fetch(`${made.url}/v1/whoami`, { headers: { authorization: `Bearer ${secret}` } })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(2);
    expect(refused.every((answer) => Number(answer.headers.get('retry-after')) >= 1)).toBe(true);
  });
});

describe('a JSON web token', () => {
  test('of the configured issuer is somebody; of anyone else, expired, or for others, nobody', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const stranger = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
    const issuerServer = createServer((incoming, answer) => {
      answer.setHeader('content-type', 'application/json');
      answer.end(JSON.stringify(incoming.url === '/.well-known/openid-configuration' ? { jwks_uri: `${issuer}/keys` } : { keys: [jwk] }));
    });
    await new Promise<void>((resolve) => issuerServer.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void issuerServer.close());
    const issuer = `http://127.0.0.1:${(issuerServer.address() as AddressInfo).port}`;
    const { url } = await front({
      configText: JSON.stringify({ tenants: { own: {} }, people: { issuers: [{ issuer, audience: 'corral' }] } }),
    });
    const jwt = (claims: Record<string, unknown>, key = privateKey, more: { audience?: string; expires?: string; issuer?: string } = {}) =>
      new SignJWT({ corral_tenant: 'own', corral_roles: ['operator', 'king'], ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(more.issuer ?? issuer)
        .setAudience(more.audience ?? 'corral')
        .setSubject('ana')
        .setExpirationTime(more.expires ?? '5m')
        .sign(key);
    const me = async (token: string) => fetch(`${url}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
    const good = await me(await jwt({}));
    expect(await good.json()).toEqual({ principal: `oidc:${new URL(issuer).host}/ana`, tenant: 'own', roles: ['operator'] });
    const bad = [
      await jwt({}, stranger.privateKey),
      await jwt({}, privateKey, { audience: 'others' }),
      await jwt({}, privateKey, { expires: '-1m' }),
      await jwt({}, privateKey, { issuer: 'http://127.0.0.1:1' }),
      await jwt({ corral_tenant: '*' }),
      await jwt({ corral_tenant: 'unheard-of' }),
      'a.b.c',
    ];
    for (const token of bad) expect((await me(token)).status).toBe(401);
  });
});

test('requests whose clients left while their issuer was asked take no place from those that come later', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k1' };
  const [asked, answered] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  const keys = createServer((_, answer) => {
    asked.resolve(undefined);
    void answered.promise.then(() => answer.end(JSON.stringify({ keys: [jwk] })));
  });
  onTestFinished(() => void keys.close());
  await new Promise<void>((listening) => keys.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${(keys.address() as AddressInfo).port}`;
  const { url } = await front({
    configText: JSON.stringify({ tenants: { own: {} }, people: { issuers: [{ issuer, audience: 'corral', jwks_uri: `${issuer}/keys` }] } }),
  });
  const token = await new SignJWT({ corral_tenant: 'own', corral_roles: ['developer'] })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(issuer)
    .setAudience('corral')
    .setSubject('ana')
    .setExpirationTime('5m')
    .sign(privateKey);
  const authorization = `Bearer ${token}`;
  const bytes = DOOR.traffic_bytes_per_tenant.default;
  const begin = async (method: string, path: string, headers: Record<string, string>) => {
    const { host, port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    const said = Object.entries({ host, authorization, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    await new Promise<void>((sent) => void socket.write(`${method} ${path} HTTP/1.1\r\n${said.join('')}\r\n`, () => sent()));
    return socket;
  };
  const sockets = await Promise.all([
    begin('POST', '/v1/runs', { 'content-type': 'application/json', 'content-length': String(bytes) }),
    ...Array.from({ length: FOLLOWERS.followers_per_principal.default }, () => begin('GET', '/v1/events', {})),
  ]);
  await asked.promise;
  const statusOf = async (asked: () => Promise<Response>) => (await asked()).status;
  // The host answers this one after it has read those that came before.
  expect(await statusOf(() => fetch(`${url}/healthz`))).toBe(200);
  for (const socket of sockets) socket.destroy();
  expect(await statusOf(() => fetch(`${url}/healthz`))).toBe(200);
  answered.resolve(undefined);
  const submitted = () =>
    fetch(`${url}/v1/runs`, { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: '{"agent":"nobody"}' });
  expect(await statusOf(submitted)).toBe(404);
  const stopped = new AbortController();
  expect(await statusOf(() => fetch(`${url}/v1/events`, { headers: { authorization }, signal: stopped.signal }))).toBe(200);
  stopped.abort();
});

describe('the address', () => {
  const call = (url: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      request(new URL('/healthz', url), { headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });

  test('is not served to a page of another origin, nor under another name', async () => {
    const { url } = await front();
    const { port } = new URL(url);
    expect(await call(url, { host: `127.0.0.1:${port}` })).toBe(200);
    expect(await call(url, { host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
    expect(await call(url, { host: 'evil.example' })).toBe(403);
    expect(await call(url, { host: `127.0.0.1:${port}`, origin: 'https://evil.example' })).toBe(403);
    expect(await call(url, { host: `127.0.0.1:${port}`, origin: 'null' })).toBe(403);
    expect(await call(url, { host: `127.0.0.1:${port}`, origin: 'http://localhost:1' })).toBe(403);
  });

  test('is not opened to others without TLS, unless somebody says so', async () => {
    await expect(front({ address: '0.0.0.0' })).rejects.toMatchObject({ code: 'CORRAL_ADDRESS_UNSAFE' });
    const { url } = await front({ address: '0.0.0.0', plaintext: true });
    expect(url).toMatch(/^http:/);
  });

  test('and the socket is the owner’s alone, in a folder of theirs', async () => {
    const { host, data } = await front();
    expect((await stat(host.socket)).mode & 0o777).toBe(0o600);
    expect((await stat(data)).mode & 0o777).toBe(0o700);
  });
});
