/** The decisions of people are listed and counted. A list shows who is looking at a call, and leaves out those that the reader has put off. */
import { expect, test } from 'vitest';
import { corral } from '../command.ts';
import { databaseOf } from '../database.ts';
import { eventsOf, front, onTables, shortFolder } from '../front.ts';
import { until } from '../until.ts';
import { sharedApprovalHost } from './approval-host.ts';

const host = sharedApprovalHost();

test('decisions are listed with who, when, why and how long that had waited, by page and by filter, and counted', async () => {
  const { admin, as, pay, waiting, output, data } = host();
  const [ana, bob] = [await as('local', 'approver'), await as('local', 'approver')];
  const stranger = await as('other', 'approver');
  const run = await pay(...[1, 2, 3].map((amount) => ({ to: 'Ann', amount })), { to: 'Ann', amount: 4, note: 'x' });
  let call = 0;
  for (const verdict of ['approve', 'deny', 'approve', 'approve'] as const) {
    const asked = await waiting(run, call);
    call = asked.call;
    await ana.decideApproval({ params: { run, call }, body: { verdict, reason: `reason ${call}`, version: asked.version } });
  }
  await output(run);
  const { principal } = await ana.whoAmI({});
  const all = await bob.listDecisions({ query: { run, counts: 'true' } });
  expect(all.counts).toEqual({ approve: 3, deny: 1 });
  expect(all.items.map(({ verdict }) => verdict)).toEqual(['approve', 'approve', 'deny', 'approve']);
  expect(all.items[0]).toMatchObject({ run, call, tenant: 'local', agent: 'payer', tool: 'pay', by: principal, reason: `reason ${call}` });
  expect(all.items[0]?.waited_ms).toBeGreaterThanOrEqual(0);
  // The last has other arguments.
  const shape = all.items[1]?.shape ?? '';
  expect(all.items.map((one) => one.shape === shape)).toEqual([false, true, true, true]);

  const pages: number[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const { items, next } = await bob.listDecisions({ query: { run, limit: 3, ...(cursor === undefined ? {} : { cursor }) } });
    pages.push(items.length);
    cursor = next;
  }
  expect(pages).toEqual([3, 1]);
  const count = async (query: object, who = ana) => (await who.listDecisions({ query: { ...query, counts: 'true' } })).items.length;
  expect(await count({ run, by: 'me' })).toBe(4);
  expect(await count({ run, by: 'me' }, bob)).toBe(0);
  expect(await count({ run, verdict: ['deny', 'expired'] })).toBe(1);
  expect(await count({ run, shape })).toBe(3);
  expect(await count({ run, tool: 'mail.read' })).toBe(0);
  expect(await count({ run, since: Date.now() + 60_000 })).toBe(0);
  expect(await count({ agent: 'payer', until: Date.now() + 60_000 })).toBeGreaterThanOrEqual(4);
  expect(await count({}, stranger)).toBe(0);
  await expect(stranger.listDecisions({ query: { run } })).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });

  // The next person sees how such calls were decided.
  const next = await pay({ to: 'Bob', amount: 9 });
  await waiting(next);
  const seen = async (who: typeof ana) => (await who.listApprovals({ query: { run: next } })).items[0];
  expect((await seen(ana))?.such).toEqual({ approved: 2, decided: 3 });
  expect((await seen(bob))?.such).toEqual({ approved: 0, decided: 0 });
  expect((await ana.listApprovals({ query: { shape } })).items.map((one) => one.run)).toEqual([next]);
  const { out } = await corral(['approvals', '--history', '--run', run, '--data', data]);
  expect(out).toContain(`${run}  call ${call}`);
  expect(out).toContain(`approved by ${principal}`);
  expect(out).toMatch(/3 approved, 1 denied/);
  await admin.operate({ body: { operation: 'kill', target: { run: next }, reason: 'done' } });
});

test('a call whose tool is taken back before anybody has decided is among them as withdrawn, and each says what it was to do', async () => {
  const { admin, as, pay, waiting, output } = host();
  const ana = await as('local', 'approver');
  const run = await pay({ to: 'Ann', amount: 5 }, { to: 'Bob', amount: 7, note: 'x' });
  const first = await waiting(run);
  await ana.decideApproval({ params: { run, call: first.call }, body: { verdict: 'deny', reason: 'not Ann' } });
  const { call } = await waiting(run, first.call);
  await admin.operate({ body: { operation: 'revoke', tool: 'pay', target: { run }, reason: 'a drill' } });
  expect(await output(run)).toEqual(['CORRAL_APPROVAL_DENIED', 'CORRAL_REVOKED']);
  const listed = async (query: object) => (await ana.listDecisions({ query: { run, ...query } })).items;
  await until(async () => (await listed({})).length === 2);
  const [withdrawn, denied] = await listed({ arguments: 'true' });
  expect(withdrawn).toMatchObject({ call, verdict: 'withdrawn', by: 'host', input: { to: 'Bob', amount: 7, note: 'x' } });
  expect(withdrawn?.does).toEqual({ destination: { to: 'Bob' }, money: 7 });
  expect(denied).toMatchObject({ call: first.call, verdict: 'deny', does: { destination: { to: 'Ann' }, money: 5 } });
  // Nobody asked for the arguments.
  expect((await listed({}))[0]).not.toHaveProperty('input');
  expect((await ana.listDecisions({ query: { run, counts: 'true' } })).counts).toEqual({ deny: 1, withdrawn: 1 });
  const named = async (q: string) => (await listed({ q })).map(({ verdict }) => verdict);
  expect([await named('AYE'), await named('host'), await named('nobody-here')]).toEqual([['withdrawn', 'deny'], ['withdrawn'], []]);
});

test('whoever looks at a call is shown to others until they are done, and keeps nobody from deciding', async () => {
  const { as, pay, waiting, host: running } = host();
  const [ana, bob] = [await as('local', 'approver'), await as('local', 'approver')];
  const run = await pay({ to: 'Ann', amount: 5 });
  const { call } = await waiting(run);
  const params = { run, call };
  const claimOf = async (who: typeof ana) => (await who.listApprovals({ query: { run } })).items[0]?.claim;
  const claim = await ana.claimApproval({ params, body: { for_ms: 60_000 } });
  const { principal } = await ana.whoAmI({});
  expect(await claimOf(bob)).toEqual({ by: principal, since: claim.since, until: claim.until });
  await expect(bob.claimApproval({ params, body: {} })).rejects.toMatchObject({
    code: 'CORRAL_CLAIMED',
    status: 409,
    message: expect.stringContaining(principal) as string,
  });
  expect(await bob.releaseApproval({ params })).toMatchObject({ released: false });
  expect(await bob.claimApproval({ params, body: { take: true } })).toMatchObject({ by: (await bob.whoAmI({})).principal });
  expect(await bob.releaseApproval({ params })).toMatchObject({ released: true });
  expect(await claimOf(ana)).toBe(null);
  await ana.claimApproval({ params, body: {} });
  // It is over by itself.
  onTables(running, 'UPDATE claims SET until = 1');
  expect(await claimOf(bob)).toBe(null);
  await ana.claimApproval({ params, body: {} });
  await bob.decideApproval({ params, body: { verdict: 'deny', reason: 'no' } });
  expect(onTables(running, 'SELECT * FROM claims')).toEqual([]);
  await expect(ana.claimApproval({ params, body: {} })).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
  const told = (await eventsOf(running)).filter((one) => one.kind === 'run.claimed' && one.run === run);
  expect(told.map(({ data }) => (data as { by: string | null }).by !== null)).toEqual([true, true, false, true, true]);
});

test('what a person puts off is not on their list until then, stays on that of others, and is no denial', async () => {
  const { as, pay, waiting, host: running } = host();
  const [ana, bob] = [await as('local', 'approver'), await as('local', 'approver')];
  const run = await pay({ to: 'Ann', amount: 5 });
  const { call, expires_at } = await waiting(run);
  const params = { run, call };
  const list = async (who: typeof ana, later?: 'true') => who.listApprovals({ query: { run, ...(later === undefined ? {} : { later }) } });
  const soon = Date.now() + 3_600_000;
  expect(await ana.putOffApproval({ params, body: { until: soon } })).toEqual({ run, call, until: soon, expires_at });
  expect(await list(ana)).toEqual({ items: [], next: null, later: 1 });
  expect((await list(ana, 'true')).items).toMatchObject([{ later: soon }]);
  expect((await list(bob)).items).toMatchObject([{ later: null, approved_by: [] }]);
  // It expires when it would have, so nothing is hidden beyond that.
  expect(await ana.putOffApproval({ params, body: { until: expires_at + 1_000 } })).toMatchObject({ until: expires_at, expires_at });
  await expect(ana.putOffApproval({ params, body: { until: 5 } })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  onTables(running, 'UPDATE put_off SET until = 1');
  expect((await list(ana)).items).toMatchObject([{ later: null }]);
  await ana.putOffApproval({ params, body: { until: soon } });
  await ana.putOffApproval({ params, body: { until: null } });
  expect((await list(ana)).items).toHaveLength(1);
  await bob.decideApproval({ params, body: { verdict: 'deny', reason: 'no' } });
});

test('a decision that has no row is added from the journal: after a crash, of a full disk, or from before there were rows', async () => {
  const CONFIG = JSON.stringify({ policies: 'default', files: { write: await shortFolder() } });
  const made = await front({ configText: CONFIG });
  const { admin, deploy, as, host: running } = made;
  await deploy(
    `{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'a.txt', text: 'x' }).catch((e) => e.code) }`,
  );
  const developer = await as('local', 'developer');
  const runs = [await developer.submitRun({ body: { agent: 'writer' } }), await developer.submitRun({ body: { agent: 'writer' } })].map(
    ({ run }) => run,
  );
  await until(async () => (await admin.listApprovals({})).items.length === 2);
  const [first] = (await admin.listApprovals({ query: { run: runs[0] as never } })).items;
  await admin.decideApproval({
    params: { run: runs[0] as never, call: first?.call ?? 0 },
    body: { verdict: 'deny', reason: 'before the crash' },
  });
  const [row] = (await admin.listDecisions({})).items;
  await admin.showRun({ params: { run: runs[0] as never }, query: { wait_ms: 60_000 } });
  await running.close();
  const added = { ...row, at: expect.any(Number) as number, waited_ms: expect.any(Number) as number };
  // As a crash leaves it, and as it is in a folder of an earlier Corral: the decision is in the journal alone.
  for (const older of [false, true]) {
    const [rows, store] = [databaseOf(made.data, 'front.db'), databaseOf(made.data, 'corral.db')];
    rows.exec(
      `DELETE FROM decisions; ${older ? "DELETE FROM meta WHERE name = 'decisions'" : "UPDATE meta SET value = '0' WHERE name = 'decisions'"}`,
    );
    if (older) store.exec('UPDATE decided SET call = 0');
    rows.close();
    store.close();
    const after = await front({ data: made.data, configText: CONFIG });
    await until(async () => (await after.admin.listDecisions({})).items.length > 0);
    expect((await after.admin.listDecisions({})).items).toMatchObject([added]);
    await after.host.close();
  }
});
