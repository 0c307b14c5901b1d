/** A living host: backed up and brought back whole, verified, replayed, forked, and made to forget, with nothing standing still for it. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { restore } from '@corral/store/sqlite/backup';
import { databaseOf } from '../database.ts';
import { corral } from '../command.ts';
import { front, HELLO, shortFolder, SLEEP, type Front } from '../front.ts';
import { until } from '../until.ts';

const TWO = (more: object = {}) => JSON.stringify({ tenants: { own: {}, other: {} }, ...more });
const COUNT = `{ name: 'count', run: async ({ input, sleep }) => { for (let i = 0; i < input.to; i++) await sleep(1); return input.to; } }`;

/** All that a host can be asked about what it knows. */
async function known({ admin }: Front) {
  const [agents, tokens, schedules, operations, profile, marks, runs, quarantines, config] = await Promise.all([
    admin.listAgents({}),
    admin.listTokens({}),
    admin.listSchedules({}),
    admin.listOperations({ query: { limit: 500 } }),
    admin.showProfile({ params: { agent: 'hello' }, query: { tenant: 'own' } }),
    admin.listMarks({ query: {} }),
    admin.listRuns({ query: { limit: 500 } }),
    admin.listQuarantines({ query: {} }),
    admin.showConfig({}),
  ]);
  return {
    agents: await Promise.all(agents.items.map(({ agent, tenant }) => admin.showAgent({ params: { agent }, query: { tenant } }))),
    tokens: tokens.items.map((token) => ({ ...token, used_at: null })),
    schedules: schedules.items,
    // The restored host goes on writing; what was there is compared.
    operations: operations.items.filter(({ operation }) => operation === 'pause' || operation === 'kill' || operation === 'mark'),
    profile,
    marks,
    runs: runs.items.map(({ run, tenant, agent, version, ended_as, principal, control, created_at }) => ({
      run,
      tenant,
      agent,
      version,
      ended_as,
      principal,
      control,
      created_at,
    })),
    quarantines: quarantines.items,
    config: config.version,
  };
}

test(
  'a backup that was made while work went on brings everything back: people, agents, aliases, schedules, what was done, runs',
  { tags: 'long' },
  async () => {
    const first = await front({ configText: TWO() });
    const { admin, deploy, as } = first;
    for (const tenant of ['own', 'other']) await deploy(HELLO, { tenant, alias: 'prod' });
    await deploy(HELLO.replace('Hello', 'Hi'), { tenant: 'own' });
    await deploy(SLEEP, { tenant: 'own' });
    await deploy(COUNT, { tenant: 'own' });
    const developer = await as('own', 'developer');
    const input = { agent: 'hello', input: { name: 'Ada' } };
    const { run: keyed } = await developer.submitRun({ headers: { 'idempotency-key': 'once' }, body: input });
    await admin.showRun({ params: { run: keyed }, query: { wait_ms: 60_000 } });
    const { run: asleep } = await developer.submitRun({ body: { agent: 'sleeper' } });
    const { run: killed } = await developer.submitRun({ body: { agent: 'sleeper' } });
    await admin.operate({ body: { operation: 'kill', target: { run: killed }, reason: 'enough' } });
    await admin.operate({ body: { operation: 'pause', target: { run: asleep }, reason: 'wait' } });
    await admin.makeSchedule({ body: { tenant: 'own', agent: 'hello', input: { name: 'B' }, cron: '0 0 1 1 *' } });
    await admin.learnProfile({ params: { agent: 'hello' }, body: { tenant: 'own', reason: 'usual' } });
    await admin.markRun({ params: { run: keyed }, body: { verdict: 'confirmed', reason: 'it went wrong' } as never });
    await admin.putQuarantine({ body: { kind: 'agent', name: 'sleeper', tenant: 'own', reason: 'odd' } as never });

    // Work goes on: runs begin and end while the copy is made.
    let going = true;
    const busy = (async () => {
      while (going) await developer.submitRun({ body: { agent: 'count', input: { to: 3 } } });
    })();
    const folder = await shortFolder();
    const to = join(folder, 'backup');
    const backup = await admin.makeBackup({ body: { to, reason: 'nightly' } });
    going = false;
    await busy;
    expect(backup).toMatchObject({ to, files: [{ name: 'corral.db' }, { name: 'front.db' }] });
    const before = await known(first);
    await first.host.close(2_000);

    const data = join(folder, 'd');
    restore(to, data, join(first.data, 'keys.json'));
    const second = await front({ data, configText: TWO() });
    const after = await known(second);
    const { runs: runsAfter, ...restAfter } = after;
    const { runs: runsBefore, ...restBefore } = before;
    expect(restAfter).toEqual(restBefore);
    // Runs as of the moment: each of them is known to both databases, and those that had ended are as they were.
    const now = new Map(runsBefore.map((one) => [one.run, one]));
    const ofOld = runsAfter.filter(({ agent }) => agent !== 'count');
    expect(ofOld).toEqual(runsBefore.filter(({ agent }) => agent !== 'count'));
    expect(ofOld.map(({ run }) => run)).toEqual(expect.arrayContaining([keyed, asleep, killed]));
    for (const one of runsAfter) expect(now.get(one.run)).toMatchObject({ tenant: one.tenant, agent: one.agent });
    const stored = new DatabaseSync(join(data, 'corral.db'), { readOnly: true });
    expect(stored.prepare("SELECT count(*) AS n FROM runs WHERE tenant = 'own'").get()).toEqual({ n: runsAfter.length });
    stored.close();
    // The same key is the same run, and the token of before lets in.
    const again = await fetch(`${second.url}/v1/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${developer.secret}`, 'idempotency-key': 'once', 'content-type': 'application/json' },
      body: JSON.stringify(input),
    });
    expect([again.status, again.headers.get('idempotent-replayed'), ((await again.json()) as { run: string }).run]).toEqual([
      200,
      'true',
      keyed,
    ]);
    expect(await second.admin.runJournal({ params: { run: keyed } })).toMatchObject({ items: [{ seq: 1, delivery: { kind: 'start' } }] });
    expect((await second.admin.verifyJournals({ body: {} })).damaged).toEqual([]);
  },
);

test('a list of runs that was kept by another host than the last is put right from the store', async () => {
  const first = await front();
  await first.deploy(HELLO);
  const { run } = await first.admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  await first.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  await first.host.close(2_000);
  // An older list, from a host that had stopped in order.
  const stale = databaseOf(first.data, 'front.db');
  stale.exec("DELETE FROM runs; UPDATE meta SET value = '0' WHERE name = 'era'");
  expect(stale.prepare("SELECT value FROM meta WHERE name = 'stopped'").get()).toEqual({ value: 'in order' });
  stale.close();
  const second = await front({ data: first.data });
  expect((await second.admin.listRuns({})).items).toMatchObject([{ run, ended_as: 'completed' }]);
});

describe('a backup by the API', () => {
  test('is for admins of the whole host; over the network it gets a name below the configured folder', async () => {
    const folder = await shortFolder();
    const { admin, as } = await front({ configText: TWO({ backups: folder }) });
    const remote = await as('*', 'admin');
    const made = await remote.makeBackup({ body: { to: 'monday' } });
    expect(made.to).toBe(join(folder, 'monday'));
    await expect(remote.makeBackup({ body: { to: 'monday' } })).rejects.toMatchObject({ code: 'CORRAL_FOLDER_NOT_EMPTY' });
    await expect(remote.makeBackup({ body: { to: join(folder, 'elsewhere') } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    for (const to of ['../x', '.hidden', 'a/b', '..'])
      await expect(remote.makeBackup({ body: { to } })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
    for (const who of [await as('*', 'operator'), await as('own', 'admin'), await as('*', 'auditor')])
      await expect(who.makeBackup({ body: { to: 'x' } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    expect(await admin.makeBackup({ body: { to: join(folder, 'by-path') } })).toMatchObject({ to: join(folder, 'by-path') });
    expect((await admin.listOperations({})).items.map(({ operation }) => operation)).toEqual(expect.arrayContaining(['backup']));
  });
});

describe('evidence on a living host', () => {
  test('is verified by who may, and of their own tenant', async () => {
    const made = await front({ configText: TWO() });
    const { admin, as, deploy, data } = made;
    for (const tenant of ['own', 'other']) await deploy(HELLO, { tenant });
    const runs: Record<string, string> = {};
    for (const tenant of ['own', 'other']) {
      const { run } = await admin.submitRun({ body: { tenant, agent: 'hello', input: { name: 'A' } } });
      runs[tenant] = run;
      await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    }
    const auditor = await as('own', 'auditor');
    expect(await auditor.verifyJournals({ body: {} })).toMatchObject({ runs: 1, damaged: [] });
    expect(await admin.verifyJournals({ body: {} })).toMatchObject({ runs: 2, damaged: [] });
    await expect(auditor.verifyJournals({ body: { tenant: 'other' } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    await expect(auditor.verifyJournals({ body: { run: runs['other'] as never } })).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    await expect((await as('own', 'developer')).verifyJournals({ body: {} })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
    const db = databaseOf(data);
    db.exec("UPDATE journal SET cpu_us = cpu_us + 1 WHERE run = (SELECT n FROM runs WHERE tenant = 'own')");
    db.close();
    expect(await auditor.verifyJournals({ body: {} })).toMatchObject({ damaged: [{ run: runs['own'], problem: 'hash' }] });
    expect(await auditor.verifyJournals({ body: { run: runs['own'] as never } })).toMatchObject({ runs: 1, damaged: [{ entry: 1 }] });
  });

  test('is replayed and forked; a fork is a run like any other', async () => {
    const { admin, as, deploy } = await front({ configText: TWO() });
    await deploy(COUNT, { tenant: 'own' });
    const developer = await as('own', 'developer');
    const { run } = await developer.submitRun({ body: { agent: 'count', input: { to: 3 } } });
    await developer.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    const replay = await (await as('own', 'auditor')).replayRun({ params: { run }, body: {} });
    expect(replay).toMatchObject({ run, matches: true, cranks: 4, difference: null });
    expect(replay.steps.map(({ crank, matched }) => [crank, matched])).toEqual([1, 2, 3, 4].map((crank) => [crank, true]));
    expect(await developer.replayRun({ params: { run }, body: { to: 2 } })).toMatchObject({ cranks: 2, matches: true });
    await expect((await as('own', 'approver')).replayRun({ params: { run }, body: {} })).rejects.toMatchObject({
      code: 'CORRAL_FORBIDDEN',
    });
    await expect((await as('other', 'developer')).forkRun({ params: { run }, body: { at: 1 } })).rejects.toMatchObject({
      code: 'CORRAL_RUN_UNKNOWN',
    });

    const fork = await developer.forkRun({ params: { run }, body: { at: 1, input: { to: 5 }, reason: 'what if' } });
    expect(fork).toMatchObject({ origin: { run, at: 1 }, unknown: [] });
    const ended = await developer.showRun({ params: { run: fork.run }, query: { wait_ms: 60_000 } });
    expect(ended).toMatchObject({ ended_as: 'completed', outcome: { output: 5 }, origin: { run, at: 1 } });
    const late = await developer.forkRun({ params: { run }, body: { at: 3 } });
    expect(await developer.showRun({ params: { run: late.run }, query: { wait_ms: 60_000 } })).toMatchObject({ outcome: { output: 3 } });
    expect((await developer.listRuns({})).items.map((one) => one.run)).toEqual([late.run, fork.run, run]);
    await expect(developer.forkRun({ params: { run }, body: { at: 9 } })).rejects.toMatchObject({ code: 'CORRAL_USAGE' });
    const forks = (await admin.listOperations({})).items.filter(({ operation }) => operation === 'fork');
    expect(forks).toMatchObject([{ reason: '' }, { reason: 'what if' }]);
  });

  test('is erased for a reason that stays on record; a dry run has the shape of the act and does nothing', async () => {
    const { admin, as, deploy } = await front({ configText: TWO() });
    await deploy(HELLO, { tenant: 'own' });
    const owner = await as('own', 'admin');
    const { run } = await owner.submitRun({ body: { agent: 'hello', input: { name: 'Ada'.repeat(3_000) } } });
    await owner.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    await expect((await as('own', 'operator')).eraseRun({ params: { run }, body: { reason: 'x' } })).rejects.toMatchObject({
      code: 'CORRAL_FORBIDDEN',
    });
    await expect((await as('other', 'admin')).eraseRun({ params: { run }, body: { reason: 'x' } })).rejects.toMatchObject({
      code: 'CORRAL_RUN_UNKNOWN',
    });
    const would = await owner.eraseRun({ params: { run }, body: { reason: 'she asked', dryRun: true } });
    expect(would).toMatchObject({ run, dryRun: true, erased_at: null, entries: 1 });
    expect((await owner.showRun({ params: { run } })).input).toMatchObject({ name: 'Ada'.repeat(3_000) });
    const did = await owner.eraseRun({ params: { run }, body: { reason: 'she asked' } });
    expect({ ...did, dryRun: true, erased_at: null }).toEqual(would);
    expect(did.erased_at).toEqual(expect.any(Number));
    await expect(owner.runJournal({ params: { run } })).rejects.toMatchObject({ code: 'CORRAL_RUN_ERASED' });
    const erased = (await owner.listOperations({})).items.filter(({ operation }) => operation === 'erase');
    expect(erased).toMatchObject([{ reason: 'she asked', matched: [run] }]);
    const freed = await owner.collectGarbage({ body: { dryRun: true } });
    expect(freed).toMatchObject({ dryRun: true, runs: 1, entries: 1 });
    expect(await owner.collectGarbage({ body: {} })).toEqual({ ...freed, dryRun: false });
    expect(await owner.collectGarbage({ body: {} })).toMatchObject({ runs: 0, entries: 0 });
    expect((await admin.verifyJournals({ body: {} })).damaged).toEqual([]);
  });

  test('goes when its tenant’s retention has passed, by itself, and other tenants keep theirs', async () => {
    const retention = { tenants: { own: { retention: { journals: '1s' } }, other: {} } };
    const first = await front({ configText: JSON.stringify(retention) });
    const { admin, deploy } = first;
    const runs: string[] = [];
    for (const tenant of ['own', 'other']) {
      await deploy(COUNT, { tenant });
      const { run } = await admin.submitRun({ body: { tenant, agent: 'count', input: { to: 4 } } });
      await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
      runs.push(run);
    }
    await until(async () => (await admin.collectGarbage({ body: { dryRun: true } })).runs === 1);
    const would = await admin.collectGarbage({ body: { dryRun: true } });
    expect(would).toMatchObject({ runs: 1, entries: 5, retention_ms: { own: 1_000 } });
    expect(await admin.collectGarbage({ body: { dryRun: true, tenant: 'other' } })).toMatchObject({ runs: 0, retention_ms: {} });
    await first.host.close(2_000);
    // The host does it when it starts, and from then on every ten minutes.
    const second = await front({ data: first.data, configText: JSON.stringify(retention) });
    await until(async () => (await second.admin.listOperations({})).items.some(({ operation }) => operation === 'collect'));
    await expect(second.admin.runJournal({ params: { run: runs[0] as never } })).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
    expect((await second.admin.runJournal({ params: { run: runs[1] as never } })).items).toHaveLength(5);
    const params = { run: runs[0] as never };
    expect((await second.admin.showRun({ params })).outcome).toMatchObject({ output: 4 });
    const { lines, pruned } = await second.admin.storyRun({ params });
    expect(lines.map(({ about }) => about)).toEqual(['asked', 'pruned', 'spent', 'ended']);
    expect(lines[1]?.text).toMatch(
      /^On [\d-]+ [\d:]+ UTC the contents of its first 5 entries were deleted \(CORRAL_JOURNAL_PRUNED\)\. Its tenant kept journals for 1 second /,
    );
    expect(lines.at(-1)?.text).toMatch(/^It ended as completed on /);
    expect(pruned).toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED', entries: 5, by: 'host', retention_ms: 1_000 });
    expect(pruned?.next).toContainEqual(expect.stringContaining('retention.journals'));
    const { out } = await corral(['story', runs[0] as string, '--data', second.data]);
    expect(out).toMatch(/Pruned +On [\s\S]*→ `corral show run_/);
  });
});
