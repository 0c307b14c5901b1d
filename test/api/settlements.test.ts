/** Many calls settled at once by a filter: a dry run says what the act then does, each refusal is told by itself, and one row is kept. */
import { expect, test } from 'vitest';
import { front, shortFolder, until } from '../front.ts';

const WRITER = (name: string) => `{ name: '${name}', uses: { write: 'tool:fs.write' }, run: ({ input, caps }) =>
  caps.write({ path: input.path, text: 'x' }).then(() => 'written', (error) => error.code) }`;

test('calls that wait for people are denied and approved by filter', { timeout: 120_000 }, async () => {
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
    expect((await admin.showRun({ params: { run }, query: { wait_ms: 20_000 } })).outcome).toMatchObject({
      output: 'CORRAL_APPROVAL_DENIED',
    });
  expect((await admin.listOperations({ query: {} })).items[0]).toMatchObject({
    operation: 'deny',
    reason: 'not today',
    target: { agent: 'writer', tool: 'fs.write' },
  });
  expect((await approver.settleMany({ body: { ...deny, tool: 'fs.read', act: 'approve', where: {} } })).matched).toEqual([]);
  // Whoever submitted a run does not decide about it, one by one or all at once.
  expect((await admin.settleMany({ body: { act: 'approve', where: {}, reason: 'mine' } })).refused).toMatchObject([
    { run: runs[3], code: 'CORRAL_APPROVER' },
  ]);
  expect((await approver.settleMany({ body: { act: 'approve', where: {}, reason: 'fine' } })).done).toHaveLength(1);
  expect((await admin.showRun({ params: { run: runs[3] as never }, query: { wait_ms: 20_000 } })).outcome).toMatchObject({
    output: 'written',
  });
});
