/** Approvals that hold for later calls of a run, within what was shown; and approvals that take the person's token once more. */
import { expect, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { corral } from '../command.ts';
import { sharedApprovalHost } from './approval-host.ts';

const host = sharedApprovalHost(`approvals: { proof: { above: 500, tools: ['wire.*'] } },`);
const HOUR_MS = 3_600_000;

async function approved(who: Client, asked: { run: RunId; call: number; version: string }, holds: object, reason = 'a known supplier') {
  const body = { verdict: 'approve', reason, version: asked.version, holds: { for_ms: HOUR_MS, ...holds } } as const;
  return who.decideApproval({ params: { run: asked.run, call: asked.call }, body: body as never });
}
const why = async (admin: Client, run: RunId) =>
  (await admin.whyRun({ params: { run } })).decisions.map(({ tool, verdict, under }) => [tool, verdict, under?.call]);

test('an approval holds for later calls to the same destination within its count and amount, and why names it', async () => {
  const { admin, as, pay, waiting, output, data } = host();
  const ana = await as('local', 'approver');
  const to = (whom: string, amount: number) => ({ to: whom, amount });
  const run = await pay(to('Ann', 50), to('Ann', 40), to('Bob', 1), to('Ann', 30), to('Ann', 29));
  const first = await waiting(run);
  expect(first.may_hold).toEqual({ destination: { to: 'Ann' }, money: 50 });
  const { holds_until } = await approved(ana, first, { for: 'destination', uses: 5, amount: 70 });
  expect(holds_until).toBeGreaterThan(Date.now());
  // Forty pass; Bob is another destination.
  const bob = await waiting(run, first.call);
  expect(bob.input).toEqual(to('Bob', 1));
  expect((await admin.listStanding({ params: { run } })).items).toMatchObject([
    { call: first.call, by: (await ana.whoAmI({})).principal, for: 'destination', used: 1, uses: 5, spent: 40, amount: 70 },
  ]);
  await ana.decideApproval({ params: { run, call: bob.call }, body: { verdict: 'deny', reason: 'not Bob' } });
  // Thirty pass, to the amount; what is more is asked about.
  const beyond = await waiting(run, bob.call);
  expect(beyond.input).toEqual(to('Ann', 29));
  const told = await why(admin, run);
  expect(told.map(([, verdict, under]) => [verdict, under])).toEqual([
    ['ask', undefined],
    ['allow', first.call],
    ['ask', undefined],
    ['allow', first.call],
    ['ask', undefined],
  ]);
  const { out } = await corral(['why', run, '--data', data]);
  expect(out).toContain(`under the approval of call ${first.call}`);
  await ana.decideApproval({ params: { run, call: beyond.call }, body: { verdict: 'deny', reason: 'enough' } });
  expect(await output(run)).toMatchObject([
    expect.any(String),
    expect.any(String),
    'CORRAL_APPROVAL_DENIED',
    expect.any(String),
    'CORRAL_APPROVAL_DENIED',
  ]);
});

test('the same shape holds for any destination, not for other arguments, and ends when it is taken back', async () => {
  const { admin, as, pay, waiting, output } = host();
  const ana = await as('local', 'approver');
  const run = await pay({ to: 'Dan', amount: 5 }, { to: 'Eve', amount: 5 }, { to: 'Eve', amount: 5, note: 'x' }, { to: 'Fay', amount: 5 });
  const first = await waiting(run);
  await approved(ana, first, { for: 'shape', uses: 10, amount: 100 });
  const other = await waiting(run, first.call);
  expect(other.input).toMatchObject({ note: 'x' });
  expect(await ana.withdrawApproval({ params: { run, call: first.call }, body: { reason: 'the account was stolen' } })).toMatchObject({
    run,
  });
  await expect(ana.withdrawApproval({ params: { run, call: first.call }, body: { reason: 'again' } })).rejects.toMatchObject({
    code: 'CORRAL_RUN_STATE',
  });
  await ana.decideApproval({ params: { run, call: other.call }, body: { verdict: 'deny', reason: 'no notes' } });
  const last = await waiting(run, other.call);
  expect(last.input).toEqual({ to: 'Fay', amount: 5 });
  await ana.decideApproval({ params: { run, call: last.call }, body: { verdict: 'deny', reason: 'no' } });
  await output(run);
  const { items } = await admin.runJournal({ params: { run }, query: {} });
  expect(items.map(({ event }) => (event as { kind?: string } | null)?.kind)).toContain('withdrawn');
});

test('a later call with something unusual about it that was not so when the approval was given is asked about', async () => {
  const { as, pay, waiting, output } = host();
  const ana = await as('local', 'approver');
  // Dan has been paid before, Gil has not.
  const run = await pay({ to: 'Dan', amount: 5 }, { to: 'Gil', amount: 5 });
  const first = await waiting(run);
  expect(first.unusual).not.toContain('first_time_destination');
  await approved(ana, first, { for: 'shape', uses: 10, amount: 100 });
  const second = await waiting(run, first.call);
  expect(second.unusual).toContain('first_time_destination');
  await ana.decideApproval({ params: { run, call: second.call }, body: { verdict: 'deny', reason: 'who is that' } });
  await output(run);
});

test('an approval never holds for more than was shown: not without its version, without an amount, or where two people decide', async () => {
  const { as, pay, waiting, admin } = host();
  const ana = await as('local', 'approver');
  const run = await pay({ to: 'Ann', amount: 5 });
  const one = await waiting(run);
  const params = { run, call: one.call };
  const refused = { code: 'CORRAL_REQUEST_INVALID' };
  await expect(
    ana.decideApproval({ params, body: { verdict: 'approve', holds: { for: 'shape', uses: 1, amount: 1, for_ms: HOUR_MS } } }),
  ).rejects.toMatchObject(refused);
  await expect(approved(ana, one, { for: 'shape', uses: 1 })).rejects.toMatchObject(refused);
  await expect(approved(ana, { ...one, version: `x${one.version.slice(1)}` }, { for: 'shape', uses: 1, amount: 1 })).rejects.toMatchObject({
    code: 'CORRAL_CHANGED',
  });
  const two = await waiting(await pay({ to: 'Ann', amount: 2_000 }));
  expect(two.may_hold).toBe(null);
  await expect(approved(admin, two, { for: 'shape', uses: 1, amount: 1 })).rejects.toMatchObject(refused);
  for (const { run: of } of [one, two]) await admin.operate({ body: { operation: 'kill', target: { run: of }, reason: 'done' } });
});

test('a large call is approved by a person who shows their token once more, and the record says so', async () => {
  const { admin, as, pay, waiting, output, url } = host();
  const [ana, bob] = [await as('local', 'approver'), await as('local', 'approver')];
  const run = await pay({ to: 'Ann', amount: 501 });
  const one = await waiting(run);
  expect(one.needs_proof).toBe(true);
  const params = { run, call: one.call };
  const approve = (proof?: string) =>
    ana.decideApproval({ params, body: { verdict: 'approve', ...(proof === undefined ? {} : { proof }) } });
  for (const proof of [undefined, 'not a token', bob.secret])
    await expect(approve(proof)).rejects.toMatchObject({ code: 'CORRAL_PROOF_NEEDED', status: 403 });
  const only = [{ run, call: one.call }];
  const many = await ana.settleMany({ body: { act: 'approve', where: { agent: 'payer' }, reason: 'all', only } });
  expect(many.refused).toMatchObject([{ code: 'CORRAL_PROOF_NEEDED' }]);
  const cli = (...args: string[]) => corral(['approve', run, String(one.call), '--url', url, '--token', ana.secret, ...args]);
  expect((await cli()).err).toContain('CORRAL_PROOF_NEEDED');
  await approve(ana.secret);
  expect(await output(run)).toHaveLength(1);
  expect((await admin.whyRun({ params: { run } })).decisions[0]?.people).toMatchObject([{ verdict: 'approve', fresh: true }]);
  const kept =
    JSON.stringify((await admin.listOperations({ query: { run } })).items) +
    JSON.stringify((await admin.runJournal({ params: { run }, query: {} })).items);
  expect(kept).not.toContain(ana.secret);
  // A small one and a denial take none.
  const small = await waiting(await pay({ to: 'Ann', amount: 500 }));
  expect(small.needs_proof).toBe(false);
  await ana.decideApproval({ params: { run: small.run, call: small.call }, body: { verdict: 'approve' } });
  const large = await waiting(await pay({ to: 'Ann', amount: 600 }));
  await ana.decideApproval({ params: { run: large.run, call: large.call }, body: { verdict: 'deny', reason: 'no' } });
  // On the socket, the operating system says with each request who calls.
  const last = await waiting(await pay({ to: 'Ann', amount: 700 }));
  await admin.decideApproval({ params: { run: last.run, call: last.call }, body: { verdict: 'approve' } });
});
