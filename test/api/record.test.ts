/** Every administrative act leaves a row that says who, when, what and why. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import type { Route } from '@corral/protocol/api/route';
import { ROUTES, type RouteAnswer, type RouteName } from '@corral/protocol/api/routes';
import { databaseOf } from '../database.ts';
import { front, HELLO, shortFolder, type Front, SLEEP } from '../front.ts';
import { guardedResource, testIssuer, type TestIssuer } from '../issuer.ts';
import { found, until } from '../until.ts';

type Row = RouteAnswer<'listOperations'>['items'][number];
const rowsOf = async (admin: Client): Promise<Row[]> => (await admin.listOperations({ query: { limit: 500 } })).items;
const outcomeOf = async (admin: Client, run: string) =>
  (await admin.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome;

/** A tool whose answer never comes, so that a host that stops in mid-call leaves a call of unknown result. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** @param far a server at which people sign the host in */
const config = (far: string) => `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const hang = tool({ name: 'shop.pay', description: 'pays', input: z.object({}), output: z.boolean(), annotations: { openWorld: true },
  run: () => new Promise(() => {}) });
const mcp = { plain: { command: 'node', args: ['${ROOT}test/mcp/server.mjs'], folders: { '${ROOT}': 'read' }, wall: 'none' }, far: { url: '${far}', private: true, login: {} } } as const;
export default defineConfig({ mcp, memory: { notes: { kind: 'kv' } }, tools: [hang], secrets: { hook: { env: 'HOOK' } }, webhooks: [{ url: 'http://127.0.0.1:9/', secret: 'hook' }], tenants: { local: { policies: 'default' }, free: { policies: 'none' } } });
`;
const KEEPER = `{ name: 'keeper', uses: { notes: 'kv:notes' }, run: ({ caps }) => caps.notes.put({ key: 'a', value: 1 }) }`;
const PAYER = `{ name: 'payer', uses: { pay: 'tool:shop.pay' }, run: ({ caps }) => caps.pay({}) }`;
/** It could pay, so it is held when it comes out of a backup. */
const DOZER = `{ name: 'dozer', uses: { pay: 'tool:shop.pay' }, run: async ({ sleep }) => { await sleep(3600000); } }`;

interface Ground extends Front {
  readonly unknown: { readonly run: string; readonly call: number };
  readonly held: string;
  readonly issuer: TestIssuer;
}

/** A host with one of everything that a person can act on: its first life leaves a call of unknown result, and a run that is held. */
async function ground(): Promise<Ground> {
  const folder = await shortFolder();
  const data = join(folder, 'd');
  const issuer = await testIssuer({}, onTestFinished);
  const file = join(folder, 'corral.config.ts');
  await writeFile(file, config(await guardedResource(issuer, onTestFinished)));
  const first = await front({ data, config: file, env: { HOOK: 'secret' } });
  const { admin } = first;
  await first.deploy(PAYER, { tenant: 'free' });
  await first.deploy(DOZER, { tenant: 'free' });
  const { run } = await admin.submitRun({ body: { agent: 'payer', tenant: 'free' } });
  const { run: held } = await admin.submitRun({ body: { agent: 'dozer', tenant: 'free' } });
  await until(async () => (await admin.showRun({ params: { run } })).waiting === 'call');
  await until(async () => (await admin.showRun({ params: { run: held } })).waiting === 'timer');
  await first.host.close(100);
  const db = databaseOf(data);
  db.prepare('UPDATE runs SET restored = 1 WHERE id = ?').run(held);
  db.close();
  const second = await front({ data, config: file, env: { HOOK: 'secret' } });
  await until(async () => (await second.admin.showRun({ params: { run } })).waiting === 'resolution');
  const last = async () => (await second.admin.runJournal({ params: { run: held }, query: { wait_ms: 1_000 } })).items.at(-1)?.event;
  await until(async () => ((await last()) as { kind?: string } | null)?.kind === 'held');
  const [call] = (await second.admin.runCalls({ params: { run } })).items;
  return { ...second, unknown: { run, call: call?.call ?? 0 }, held, issuer };
}

/** Does what a route is for, once; every route that changes something is here. */
type Mutating = { [K in RouteName]: (typeof ROUTES)[K] extends { readonly act: string } ? K : never }[RouteName];
const reason = 'for the test';
const REDIRECT = 'http://127.0.0.1:49152/callback';
const DO: { readonly [K in Mutating]: (on: Ground) => Promise<{ readonly operation: string; readonly target?: unknown }> } = {
  async deployAgent({ admin, bundle }) {
    const { source, describing } = await bundle(HELLO);
    const { agents } = await admin.deployAgent({ body: { source, describing, tenant: 'local', alias: 'prod', reason } });
    return { operation: 'deploy', target: { agents: [{ agent: 'hello', version: agents[0]?.version }], alias: 'prod' } };
  },
  async moveAlias({ admin, deploy }) {
    const version = await deploy(HELLO.replace('Hello', 'Bye'), { tenant: 'local' });
    await admin.moveAlias({ params: { agent: 'hello', alias: 'prod' }, body: { tenant: 'local', version, reason } });
    return { operation: 'move-alias', target: { agent: 'hello', alias: 'prod', version } };
  },
  async rollBack({ admin }) {
    await admin.rollBack({ params: { agent: 'hello', alias: 'prod' }, body: { tenant: 'local', reason } });
    return { operation: 'rollback', target: { agent: 'hello', alias: 'prod' } };
  },
  async resolveCall({ admin, unknown: { run, call } }) {
    await admin.resolveCall({ params: { run: run as never, call }, body: { how: 'fail', reason } });
    return { operation: 'resolve', target: { run, call, how: 'fail' } };
  },
  async releaseRun({ admin, held }) {
    await admin.releaseRun({ params: { run: held as never }, body: { reason } });
    return { operation: 'release', target: { run: held } };
  },
  async decideApproval(on) {
    await on.deploy(PAYER, { tenant: 'local' });
    const submitter = await on.as('local', 'developer');
    const { run } = await submitter.submitRun({ body: { agent: 'payer' } });
    await until(async () => (await on.admin.listApprovals({})).items.length > 0);
    const [asked] = (await on.admin.listApprovals({})).items;
    const params = { run, call: asked?.call ?? 0 };
    await on.admin.decideApproval({ params, body: { verdict: 'deny', reason } });
    return { operation: 'deny', target: params };
  },
  async withdrawApproval(on) {
    const submitter = await on.as('local', 'developer');
    const { run } = await submitter.submitRun({ body: { agent: 'payer' } });
    const asked = await found(async () => (await on.admin.listApprovals({ query: { run } })).items[0], 'a call waits');
    const params = { run, call: asked.call };
    const holds = { for: 'shape', uses: 3, for_ms: 60_000, ...(asked.may_hold?.money === null ? {} : { amount: 100 }) } as const;
    await on.admin.decideApproval({ params, body: { verdict: 'approve', version: asked.version, holds } });
    await on.admin.withdrawApproval({ params, body: { reason } });
    return { operation: 'withdraw', target: params };
  },
  async answerQuestion({ admin, deploy }) {
    await deploy(`{ name: 'asker', uses: { owner: 'tool:owner.ask' }, run: ({ ask }) => ask('Well?') }`, { tenant: 'local' });
    const { run } = await admin.submitRun({ body: { agent: 'asker', tenant: 'local' } });
    const asked = await found(async () => (await admin.listQuestions({})).items[0], 'a question waits');
    const params = { run, call: asked.call };
    await admin.answerQuestion({ params, body: { value: 'well', reason } });
    return { operation: 'answer', target: params };
  },
  async settleMany({ admin }) {
    await admin.settleMany({ body: { act: 'deny', where: { agent: 'hello' }, reason } });
    return { operation: 'deny', target: { agent: 'hello' } };
  },
  async putQuarantine({ admin }) {
    await admin.putQuarantine({ body: { kind: 'agent', name: 'hello', tenant: 'local', reason } });
    return { operation: 'quarantine', target: { kind: 'agent', name: 'local/hello' } };
  },
  async liftQuarantine({ admin }) {
    await admin.liftQuarantine({ params: { kind: 'agent', name: 'hello' }, query: { tenant: 'local', reason } });
    return { operation: 'lift', target: { kind: 'agent', name: 'local/hello' } };
  },
  async operate({ admin, held }) {
    await admin.operate({ body: { operation: 'pause', target: { run: held as never }, reason } });
    return { operation: 'pause', target: { run: held } };
  },
  async makeToken({ admin }) {
    const { token } = await admin.makeToken({ body: { name: 'ana', tenant: 'local', roles: ['auditor'], reason } });
    return { operation: 'make-token', target: { token, name: 'ana', of: 'local', roles: ['auditor'] } };
  },
  async revokeToken({ admin }) {
    const { token } = (await admin.listTokens({})).items.find(({ name }) => name === 'ana') ?? { token: '' };
    await admin.revokeToken({ params: { token }, query: { reason } });
    return { operation: 'revoke-token', target: { token, name: 'ana' } };
  },
  async revokeSecret({ admin }) {
    const account = (await admin.listSecrets({})).items[0]?.account ?? '';
    await admin.revokeSecret({ body: { account, reason } });
    return { operation: 'revoke-secret', target: { account } };
  },
  async restoreSecret({ admin }) {
    const account = (await admin.listSecrets({})).items[0]?.account ?? '';
    await admin.restoreSecret({ body: { account, reason } });
    return { operation: 'restore-secret', target: { account } };
  },
  async beginLogin({ admin, issuer }) {
    const { account } = await admin.beginLogin({ body: { server: 'far', redirect: REDIRECT, reason } });
    return { operation: 'begin-login', target: { account, at: new URL(issuer.url).origin } };
  },
  async finishLogin({ admin, issuer }) {
    const { login, address } = await admin.beginLogin({ body: { server: 'far', redirect: REDIRECT } });
    const { credential } = await admin.finishLogin({ params: { login }, body: { redirect: await issuer.signIn(address), reason } });
    return { operation: 'login', target: { account: credential.account, issuer: issuer.url } };
  },
  async logout({ admin }) {
    const { credential } = await admin.logout({ body: { server: 'far', reason } });
    return { operation: 'logout', target: { account: credential.account, revoked: 'yes' } };
  },
  async makeSchedule({ admin }) {
    const { schedule } = await admin.makeSchedule({ body: { tenant: 'local', agent: 'hello', cron: '0 0 1 1 *', reason } });
    return { operation: 'make-schedule', target: { schedule, agent: 'hello', cron: '0 0 1 1 *' } };
  },
  async removeSchedule({ admin }) {
    const [made] = (await admin.listSchedules({})).items;
    await admin.removeSchedule({ params: { schedule: made?.schedule ?? '' }, query: { reason } });
    return { operation: 'remove-schedule', target: { schedule: made?.schedule } };
  },
  async applyConfig({ admin }) {
    const { version } = await admin.applyConfig({ query: { reason } });
    return { operation: 'apply-config', target: { version, same: true } };
  },
  async acceptTools({ admin }) {
    const reviews = async () => (await admin.listToolReviews({})).items[0];
    await until(async () => (await reviews())?.offered !== null);
    const { digest = '', tools } = (await reviews())?.offered ?? {};
    await admin.acceptTools({ params: { source: 'mcp:plain' }, body: { digest, reason } });
    return { operation: 'accept-tools', target: { source: 'mcp:plain', digest, tools } };
  },
  async revokeGrant({ admin, held }) {
    const { run } = await admin.submitRun({ body: { agent: 'payer', tenant: 'free' } });
    const [cap] = (await admin.showRun({ params: { run } })).caps;
    await admin.revokeGrant({ params: { grant: cap?.grant as never }, body: { reason } });
    expect(held).not.toBe(run);
    return { operation: 'revoke', target: { grant: cap?.grant } };
  },
  async learnProfile({ admin }) {
    const { run } = await admin.submitRun({ body: { agent: 'hello', tenant: 'local', input: { name: 'A' } } });
    expect(await outcomeOf(admin, run)).toMatchObject({ kind: 'completed' });
    await admin.learnProfile({ params: { agent: 'hello' }, body: { tenant: 'local', reason } });
    return { operation: 'learn', target: { agent: 'hello' } };
  },
  async deleteProfile({ admin }) {
    await admin.deleteProfile({ params: { agent: 'hello' }, query: { tenant: 'local', reason } });
    return { operation: 'forget', target: { agent: 'hello', profiles: 1 } };
  },
  async eraseRun({ admin }) {
    const { run } = await admin.submitRun({ body: { agent: 'hello', tenant: 'local', input: { name: 'A' } } });
    await outcomeOf(admin, run);
    await admin.eraseRun({ params: { run }, body: { reason } });
    return { operation: 'erase', target: { run } };
  },
  async collectGarbage({ admin }) {
    await admin.collectGarbage({ body: { reason } });
    return { operation: 'collect' };
  },
  async forkRun({ admin }) {
    const { run } = await admin.submitRun({ body: { agent: 'hello', tenant: 'local', input: { name: 'A' } } });
    await outcomeOf(admin, run);
    const { run: fork } = await admin.forkRun({ params: { run }, body: { at: 1, reason } });
    return { operation: 'fork', target: { run, at: 1, fork } };
  },
  async upgradeRun({ admin, deploy }) {
    await deploy(SLEEP, { tenant: 'local' });
    const { run } = await admin.submitRun({ body: { agent: 'sleeper', tenant: 'local' } });
    await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
    const version = await deploy(SLEEP.replace('return 1', 'return 2'), { tenant: 'local' });
    await admin.upgradeRun({ params: { run }, body: { to: 'latest', reason } });
    return { operation: 'upgrade', target: { run, version } };
  },
  async makeBackup({ admin, data }) {
    const { digest } = await admin.makeBackup({ body: { to: `${data}-copy`, reason } });
    return { operation: 'backup', target: { to: `${data}-copy`, digest } };
  },
  async retryDeliveries({ admin }) {
    const [hook] = (await admin.listWebhooks({})).items;
    await admin.retryDeliveries({ body: { hook: hook?.hook ?? '', reason } });
    return { operation: 'webhook.retry', target: { hook: hook?.hook } };
  },
  async readMemory({ admin, deploy }) {
    await deploy(KEEPER, { tenant: 'local' });
    const { run } = await admin.submitRun({ body: { agent: 'keeper', tenant: 'local' } });
    expect(await outcomeOf(admin, run)).toMatchObject({ kind: 'completed' });
    const [memory] = (await admin.listMemories({})).items;
    await admin.readMemory({ params: { memory: memory?.id ?? 0 }, body: { name: 'a', reason } });
    return { operation: 'read-memory', target: { memory: 'notes', owner: 'agent:keeper', name: 'a', version: 1, read: true } };
  },
  async removeMemory({ admin }) {
    await admin.removeMemory({ body: { tenant: 'local', memory: 'notes', reason } });
    return { operation: 'remove-memory', target: { memory: 'notes', entries: 1 } };
  },
  async markRun({ admin }) {
    const { run } = await admin.submitRun({ body: { agent: 'hello', tenant: 'local', input: { name: 'A' } } });
    await outcomeOf(admin, run);
    await admin.markRun({ params: { run }, body: { verdict: 'confirmed', reason } });
    return { operation: 'mark', target: { run, verdict: 'confirmed' } };
  },
};

test('every route that changes something leaves a row with who, what and why', async () => {
  const on = await ground();
  const { admin } = on;
  const me = (await admin.whoAmI({})).principal;
  const names = (Object.entries(ROUTES) as [RouteName, Route][]).flatMap(([name, { method, act }]) =>
    method === 'GET' || typeof act !== 'string' ? [] : [name],
  );
  expect(Object.keys(DO).sort()).toEqual(names.sort());
  for (const [name, act] of Object.entries(DO)) {
    const wanted = await act(on);
    const row = (await rowsOf(admin)).find((one) => one.operation === wanted.operation && one.reason === reason);
    expect({ name, ...row }).toMatchObject({ name, ...wanted, by: me, roles: ['admin'], reason });
  }
});

test('a route whose handler says nothing leaves a row all the same, and one that did nothing leaves none', async () => {
  const { admin, host } = await front();
  const before = (await rowsOf(admin)).length;
  const { recorder } = await import('@corral/server/operation-log');
  const who = { id: 'token:x', tenant: 'local', roles: ['operator' as const] };
  const asked = { params: { run: 'run_1' }, query: {}, body: { reason: 'because', source: 'secret' } };
  recorder(host.door.acts, ROUTES.releaseRun, who, asked).done();
  const [row, ...rest] = await rowsOf(admin);
  expect(rest).toHaveLength(before);
  expect(row).toMatchObject({ operation: 'release', by: 'token:x', roles: ['operator'], target: { run: 'run_1' }, reason: 'because' });
  const dry = recorder(host.door.acts, ROUTES.releaseRun, who, asked);
  dry.keep.skip();
  dry.done();
  expect(await rowsOf(admin)).toHaveLength(before + 1);
});

test('the start and the stop of a host are on record, and whether the stop was in order', async () => {
  const data = join(await shortFolder(), 'd');
  const first = await front({ data });
  const started = (await rowsOf(first.admin)).find(({ operation }) => operation === 'start');
  expect(started).toMatchObject({ by: expect.stringMatching(/^user:/) as string, target: { era: 1 } });
  // Nothing ran before it.
  expect(started?.target).not.toHaveProperty('stopped_in_order');
  await first.host.close();
  const { admin } = await front({ data });
  const rows = (await rowsOf(admin)).filter(({ operation }) => operation === 'start' || operation === 'stop');
  expect(rows.map(({ operation }) => operation)).toEqual(['start', 'stop', 'start']);
  expect(rows[0]?.target).toMatchObject({ era: 2, stopped_in_order: true });
});

test('a configuration that is refused is on record with what was wrong, and so is each that is applied', async () => {
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.json');
  await writeFile(config, JSON.stringify({ tenants: { local: {} } }));
  const { admin } = await front({ config });
  const { version: before } = await admin.showConfig({});
  await writeFile(config, JSON.stringify({ tenants: { local: { queue: 0 } } }));
  await expect(admin.applyConfig({ query: { reason: 'less work' } })).rejects.toMatchObject({ code: 'CORRAL_CONFIG_INVALID' });
  await writeFile(config, JSON.stringify({ tenants: { local: { queue: 1 } } }));
  const { version } = await admin.applyConfig({ query: { reason: 'much less work' } });
  const [applied, refused, started] = (await rowsOf(admin)).filter(({ operation }) => operation.endsWith('-config'));
  expect(applied).toMatchObject({ operation: 'apply-config', reason: 'much less work', target: { version, before } });
  expect(refused).toMatchObject({ operation: 'refuse-config', reason: 'less work', target: { code: 'CORRAL_CONFIG_INVALID' } });
  expect(started).toMatchObject({ operation: 'apply-config', target: { version: before, before: null } });
});

test('refused requests and failed log-ins are counted, and however many there are they leave a few rows', async () => {
  const made = await front();
  const { admin, url, host } = made;
  const auditor = await made.as('local', 'auditor');
  for (let i = 0; i < 5; i += 1)
    await expect(auditor.makeToken({ body: { name: 'x', roles: ['admin'] } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await made.deploy(HELLO);
  const operator = await made.as('local', 'operator');
  await expect(operator.liftQuarantine({ params: { kind: 'agent', name: 'hello' }, query: { reason: 'x' } })).rejects.toMatchObject({
    code: 'CORRAL_RUN_STATE',
  });
  for (let i = 0; i < 40; i += 1) await fetch(`${url}/v1/runs`, { headers: { authorization: `Bearer corral_${i}` } });
  host.door.refusals.settle(true);
  const rows = await rowsOf(admin);
  const count = (operation: string, by: RegExp, code: string) => {
    const found = rows.filter((row) => row.operation === operation && by.test(row.by) && (row.target as { code: string }).code === code);
    return { rows: found.length, times: found.reduce((sum, { target }) => sum + (target as { count: number }).count, 0) };
  };
  // A minute may end in between.
  const forbidden = count('refuse-request', /^token:/, 'CORRAL_FORBIDDEN');
  expect(forbidden.times).toBe(5);
  expect(forbidden.rows).toBeLessThanOrEqual(4);
  expect(count('refuse-request', /^token:/, 'CORRAL_RUN_STATE').times).toBe(1);
  const failed = count('fail-login', /^address:/, 'CORRAL_UNAUTHENTICATED');
  expect(failed.times).toBe(40);
  expect(failed.rows).toBeLessThanOrEqual(4);
});

test('an attacker with many names fills no disk: a minute has a bounded number of rows', async () => {
  const { admin, host } = await front();
  const before = (await rowsOf(admin)).length;
  const { refusals } = host.door;
  for (let i = 0; i < 20_000; i += 1)
    refusals.count({
      operation: 'fail-login',
      by: `address:10.0.${i >> 8}.${i & 255}`,
      roles: [],
      tenant: undefined,
      route: 'GET /',
      code: 'X',
    });
  refusals.settle(true);
  const rows = (await rowsOf(admin)).slice(0, -before);
  // At most two minutes.
  expect(rows.length).toBeLessThanOrEqual(2 * 41);
  expect(rows.reduce((sum, { target }) => sum + (target as { count: number }).count, 0)).toBe(20_000);
});

test('addresses that nobody knows hide no refusal of somebody known, nor one tenant another’s, nor a principal its neighbour’s', async () => {
  const { admin, host } = await front({ configText: JSON.stringify({ tenants: { acme: {}, brix: {} } }) });
  const { refusals } = host.door;
  const count = (operation: 'refuse-request' | 'fail-login', by: string, tenant: string | undefined, code: string) =>
    refusals.count({ operation, by, roles: [], tenant, route: 'GET /', code });
  const before = (await rowsOf(admin)).length;
  for (let i = 0; i < 500; i += 1) count('fail-login', `address:10.0.${i >> 8}.${i & 255}`, undefined, 'CORRAL_UNAUTHENTICATED');
  for (let i = 0; i < 500; i += 1) count('refuse-request', `token:brix-${i}`, 'brix', 'CORRAL_FORBIDDEN');
  for (let i = 0; i < 500; i += 1) count('refuse-request', 'token:busy', 'acme', `CORRAL_X${i}`);
  count('refuse-request', 'token:eva', 'acme', 'CORRAL_FORBIDDEN');
  count('refuse-request', 'token:root', undefined, 'CORRAL_FORBIDDEN');
  refusals.settle(true);
  const rows = (await rowsOf(admin)).slice(0, -before);
  for (const by of ['token:eva', 'token:root'])
    expect(rows.filter((row) => row.by === by)).toMatchObject([
      { operation: 'refuse-request', target: { code: 'CORRAL_FORBIDDEN', count: 1 } },
    ]);
  const sum = (some: readonly (typeof rows)[number][]) => some.reduce((n, { target }) => n + (target as { count: number }).count, 0);
  // Events that were not told apart are counted too, and named by what they have in common.
  const others = rows.filter(({ target }) => (target as { by?: string }).by === 'others');
  expect(others.map(({ operation }) => operation).sort()).toEqual(expect.arrayContaining(['fail-login', 'refuse-request']));
  expect(sum(rows.filter(({ operation }) => operation === 'fail-login'))).toBe(500);
  expect(sum(rows.filter(({ by }) => by === 'token:busy'))).toBe(500);
  expect(sum(rows)).toBe(1_502);
  // At most two minutes, of three tenants, the host's own being one, and of addresses.
  expect(rows.length).toBeLessThanOrEqual(2 * 4 * 41);
});
