/** A decision holds only for the version that the person saw: approvals, answers and resumptions. Pauses and kills are not bound to a version. */
import { expect, test } from 'vitest';
import { found, until } from '../until.ts';
import { sharedApprovalHost } from './approval-host.ts';

const host = sharedApprovalHost();

test('an approval names the version that was shown, and is refused with what has changed since', async () => {
  const { as, pay, waiting, output } = host();
  const run = await pay({ to: 'Ann', amount: 2_000 });
  const { call, version } = await waiting(run);
  const [ana, bob, cid] = [await as('local', 'approver'), await as('local', 'approver'), await as('local', 'approver')];
  const params = { run, call };
  expect(await ana.decideApproval({ params, body: { verdict: 'approve', version } })).toMatchObject({ missing: 1 });
  const { principal } = await ana.whoAmI({});
  for (const verdict of ['approve', 'deny'] as const)
    await expect(bob.decideApproval({ params, body: { verdict, reason: 'seen', version } })).rejects.toMatchObject({
      code: 'CORRAL_CHANGED',
      status: 409,
      message: expect.stringContaining(`${principal} approved it`) as string,
    });
  const now = await waiting(run);
  expect(now.version).not.toBe(version);
  const only = [{ run, call, version }];
  const many = await cid.settleMany({ body: { act: 'approve', where: { agent: 'payer' }, reason: 'all', only } });
  expect(many).toMatchObject({ done: [], refused: [{ run, code: 'CORRAL_CHANGED' }] });
  await bob.decideApproval({ params, body: { verdict: 'approve', version: now.version } });
  expect(await output(run)).toEqual([expect.stringContaining('paid 2000 to Ann')]);
});

test('an answer is refused if the run has read a stranger’s words since its question was shown', async () => {
  const { admin, output } = host();
  const { run } = await admin.submitRun({ body: { agent: 'asker', tenant: 'local' } });
  const asked = async () => (await admin.listQuestions({ query: { run } })).items[0];
  const first = await found(asked, 'it asks');
  await until(async () => (await asked())?.influenced_by.length === 1);
  const params = { run, call: first.call };
  await expect(admin.answerQuestion({ params, body: { value: true, version: first.version } })).rejects.toMatchObject({
    code: 'CORRAL_CHANGED',
    message: expect.stringContaining('its run has read more since') as string,
  });
  await admin.answerQuestion({ params, body: { value: true, version: (await found(asked, 'it asks')).version } });
  expect(await output(run)).toBe(true);
});

test('a resumption is refused if the run was stopped for another reason since, by name; a pause and a kill never are', async () => {
  const { admin, pay, waiting } = host();
  const run = await pay({ to: 'Ann', amount: 5 });
  await waiting(run);
  const act = (operation: 'pause' | 'resume' | 'kill', more: object = {}) =>
    admin.operate({ body: { operation, target: { run }, reason: `to ${operation}`, ...more } });
  const halt = async () => (await admin.whyRun({ params: { run } })).halt ?? 0;
  await act('pause');
  const shown = await halt();
  await act('resume', { halt: shown });
  await act('pause');
  await expect(act('resume', { halt: shown })).rejects.toMatchObject({
    code: 'CORRAL_CHANGED',
    status: 409,
    message: expect.stringMatching(/paused it since: to pause/) as string,
  });
  expect((await admin.showRun({ params: { run } })).control).toBe('paused');
  await act('resume', { halt: await halt() });
  await expect(act('kill', { halt: 1 })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  expect(await act('kill')).toMatchObject({ receipts: [{ run }] });
  for (const operation of ['pause', 'kill'] as const)
    expect(await act(operation)).toMatchObject({ receipts: [], refused: [{ run, code: 'CORRAL_RUN_STATE' }] });
});
