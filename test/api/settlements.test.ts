/** Many calls settled at once by a filter: a dry run says what the act then does, each refusal is told by itself, and one row is kept. */
import { expect, test } from 'vitest';
import { databaseOf } from '../database.ts';
import { front, shortFolder } from '../front.ts';
import { until } from '../until.ts';

const WRITER = (name: string) => `{ name: '${name}', uses: { write: 'tool:fs.write' }, run: ({ input, caps }) =>
  caps.write({ path: input.path, text: 'x' }).then(() => 'written', (error) => error.code) }`;

test('calls that wait for people are denied and approved by filter', async () => {
  const write = await shortFolder();
  const { admin, deploy, as } = await front({ configText: JSON.stringify({ policies: 'default', files: { write } }) });
  for (const name of ['writer', 'other']) await deploy(WRITER(name));
  const submit = async (agent: string, path: string) => (await admin.submitRun({ body: { agent, input: { path } } })).run;
  const runs = [await submit('writer', 'a'), await submit('writer', 'b'), await submit('writer', 'c'), await submit('other', 'd')];
  await until(async () => (await admin.listApprovals({})).items.length === 4);
  const [approver, operator] = [await as('local', 'approver'), await as('local', 'operator')];
  const deny = { act: 'deny', where: { agent: 'writer' }, tool: 'fs.write', reason: 'not today' } as const;
  await expect(operator.settleMany({ body: deny })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(approver.settleMany({ body: { ...deny, act: 'fail' } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(approver.settleMany({ body: { ...deny, where: { agent: 'wroter' } } })).rejects.toMatchObject({
    code: 'CORRAL_AGENT_UNKNOWN',
  });
  await expect(approver.settleMany({ body: { ...deny, value: 1 } })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  const before = (await admin.listOperations({ query: {} })).items.length;
  const dry = await approver.settleMany({ body: { ...deny, dryRun: true } });
  expect(dry.matched.map(({ run }) => run).toSorted()).toEqual(runs.slice(0, 3).toSorted());
  expect([dry.done, (await admin.listApprovals({})).items.length, (await admin.listOperations({ query: {} })).items.length]).toEqual([
    [],
    4,
    before,
  ]);
  const done = await approver.settleMany({ body: deny });
  expect(Object.keys(done)).toEqual(Object.keys(dry));
  expect(done.done).toEqual(expect.arrayContaining(dry.matched));
  for (const run of runs.slice(0, 3))
    expect((await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).outcome).toMatchObject({
      output: 'CORRAL_APPROVAL_DENIED',
    });
  expect((await admin.listOperations({ query: {} })).items[0]).toMatchObject({
    operation: 'deny',
    reason: 'not today',
    target: { agent: 'writer', tool: 'fs.write' },
  });
  expect((await approver.settleMany({ body: { ...deny, tool: 'fs.read', act: 'approve', where: {} } })).matched).toEqual([]);
  // The submitter of a run does not decide about it, one by one or all at once.
  expect((await admin.settleMany({ body: { act: 'approve', where: {}, reason: 'mine' } })).refused).toMatchObject([
    { run: runs[3], code: 'CORRAL_APPROVER' },
  ]);
  // As with one call, to deny takes a reason, and to approve does not.
  await expect(approver.settleMany({ body: { act: 'deny', where: {} } })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  expect((await approver.settleMany({ body: { act: 'approve', where: {} } })).done).toHaveLength(1);
  expect((await admin.showRun({ params: { run: runs[3] as never }, query: { wait_ms: 60_000 } })).outcome).toMatchObject({
    output: 'written',
  });
});

/** Four calls that wait for people: two of one agent, two of another. */
async function waiting() {
  const write = await shortFolder();
  const made = await front({ configText: JSON.stringify({ policies: 'default', files: { write } }) });
  const { admin, deploy, as } = made;
  for (const name of ['writer', 'other']) await deploy(WRITER(name));
  const runs: string[] = [];
  for (const [agent, path] of [
    ['writer', 'a'],
    ['writer', 'b'],
    ['other', 'c'],
    ['other', 'd'],
  ] as const)
    runs.push((await admin.submitRun({ body: { agent, input: { path } } })).run);
  await until(async () => (await admin.listApprovals({})).items.length === 4);
  const damage = (sql: string, run: string) => {
    const db = databaseOf(made.data);
    db.prepare(sql).run(run);
    db.close();
  };
  return { ...made, damage, runs: runs as [string, string, string, string], approver: await as('local', 'approver') };
}
const JOURNAL = "UPDATE journal SET body = CAST(body || x'00' AS BLOB) WHERE run = (SELECT n FROM runs WHERE id = ?)";
const RECORD = "UPDATE records SET record = x'0102' WHERE n = (SELECT n FROM runs WHERE id = ?)";

test(
  'a damaged run is named in the list of approvals, which has the others; a filter that means others does not read it',
  {
    timeout: 120_000,
  },
  async () => {
    const { admin, runs, approver, damage } = await waiting();
    damage(JOURNAL, runs[2]);
    damage(RECORD, runs[3]);
    const { items, damaged } = await admin.listApprovals({});
    expect(items.map(({ run }) => run)).toEqual(runs.slice(0, 2));
    expect(damaged).toMatchObject([{ run: runs[2] }, { run: runs[3] }]);
    const page = await admin.listApprovals({ query: { limit: 1 } });
    expect(await admin.listApprovals({ query: { limit: 1, cursor: page.next as string } })).toMatchObject({ items: [{ run: runs[1] }] });
    const deny = { act: 'deny', reason: 'not today' } as const;
    const own = await approver.settleMany({ body: { ...deny, where: { agent: 'writer' } } });
    expect([own.done.map(({ run }) => run).toSorted(), own.refused]).toEqual([runs.slice(0, 2).toSorted(), []]);
    // Runs that a filter matches and nobody can read are named, also by a dry run.
    for (const dryRun of [true, false]) {
      const { refused } = await approver.settleMany({ body: { ...deny, where: {}, dryRun } });
      expect(new Set(refused.map(({ run, code }) => `${run} ${code}`))).toEqual(
        new Set(runs.slice(2).map((run) => `${run} CORRAL_JOURNAL_DAMAGED`)),
      );
    }
  },
);

test('an error that nobody foresaw hits one of many acts: the others are done and on record, and the answer names both', async () => {
  const { admin, runs, approver, host } = await waiting();
  const port = host.door.host as { -readonly [K in keyof typeof host.door.host]: (typeof host.door.host)[K] };
  const { decide, operate, quarantine } = port;
  port.decide = (run, ...more) => (run === runs[1] ? Promise.reject(new TypeError('a slip')) : decide.call(port, run, ...more));
  const settled = await approver.settleMany({ body: { act: 'deny', where: { agent: 'writer' }, reason: 'no' } });
  expect(settled).toMatchObject({ done: [{ run: runs[0] }], refused: [{ run: runs[1], code: 'CORRAL_INTERNAL' }] });
  expect(JSON.stringify(settled)).not.toContain('a slip');
  const last = async () => (await admin.listOperations({ query: {} })).items[0];
  expect(await last()).toMatchObject({ id: settled.id, operation: 'deny', refused: [{ run: runs[1], code: 'CORRAL_INTERNAL' }] });

  port.operate = (operation, run, ...more) =>
    run === runs[2] ? Promise.reject(new TypeError('a slip')) : operate.call(port, operation, run, ...more);
  const killed = await admin.operate({ body: { operation: 'kill', target: { agent: 'other' }, reason: 'enough' } });
  expect(killed).toMatchObject({ receipts: [{ run: runs[3] }], refused: [{ run: runs[2], code: 'CORRAL_INTERNAL' }] });
  expect(await last()).toMatchObject({ id: killed.id, operation: 'kill', receipts: [{ run: runs[3] }] });

  // One act alone, of which nobody can say how far it came, is on record as that.
  port.quarantine = async (...said) => {
    await quarantine.apply(port, said);
    throw new TypeError('a slip');
  };
  const body = { kind: 'agent', name: 'other', tenant: 'local', reason: 'odd' } as never;
  await expect(admin.putQuarantine({ body })).rejects.toMatchObject({ code: 'CORRAL_INTERNAL' });
  expect(await last()).toMatchObject({ operation: 'quarantine', reason: 'odd', refused: [{ code: 'CORRAL_INTERNAL' }] });
});

test('a run whose listing fails after it was stopped is stopped, on record, and not refused', async () => {
  const { admin, runs, host } = await waiting();
  const projection = host.door.projection as unknown as { settle: () => Promise<boolean> };
  projection.settle = () => Promise.reject(new Error('a slip'));
  const killed = await admin.operate({ body: { operation: 'kill', target: { run: runs[0] as never }, reason: 'enough' } });
  expect(killed).toMatchObject({ receipts: [{ run: runs[0], lifecycle: 'ended' }], refused: [] });
});
