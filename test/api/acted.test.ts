/** A deed of a tool is shown as done, also where its agent was not given the answer: the run was paused, lost its right or was killed. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { corral } from '../command.ts';
import { until } from '../until.ts';
import { sharedApprovalHost, type ApprovalHost } from './approval-host.ts';

/** A server that acts and never answers. */
const dropping = createServer((request) => void request.socket.destroy());
beforeAll(async () => {
  await new Promise<void>((resolve) => dropping.listen(0, '127.0.0.1', resolve));
  process.env['DROPPING'] = `http://127.0.0.1:${(dropping.address() as AddressInfo).port}`;
});
afterAll(() => {
  delete process.env['DROPPING'];
  dropping.close();
});
const host = sharedApprovalHost(
  `http: { crm: { origins: [process.env.DROPPING], methods: ['POST'], idempotency_key: 'idempotency-key' } }`,
);

/** A payment that was approved while its run was paused, and made. */
async function paidWhilePaused(on: ApprovalHost) {
  const run = await on.pay({ to: 'ACC-BO', amount: 75 });
  const params = { run };
  const { call } = await on.waiting(run);
  await on.admin.operate({ body: { operation: 'pause', target: { run }, reason: 'wait' } });
  const approver = await on.as('local', 'approver');
  await approver.decideApproval({ params: { run, call }, body: { verdict: 'approve', reason: 'looked' } });
  await until(async () => (await callOf(on, run))?.state === 'answered', 'the tool has answered');
  return { run, params, call };
}
const callOf = async ({ admin }: ApprovalHost, run: RunId) => (await admin.runCalls({ params: { run }, query: { limit: 9 } })).items[0];
const didOf = async ({ admin }: ApprovalHost, run: RunId) =>
  (await admin.storyRun({ params: { run } })).lines.find(({ about }) => about === 'did')?.text;
const whyOf = async ({ admin }: ApprovalHost, run: RunId) => (await admin.whyRun({ params: { run } })).because.join('\n');

test('a payment that was made is done for people while its run is paused, once its grant is taken back, and after its end', async () => {
  const on = host();
  const { run, params, call } = await paidWhilePaused(on);
  expect(await callOf(on, run)).toMatchObject({
    state: 'answered',
    acted: 'yes',
    error: null,
    result: expect.stringMatching(/^paid 75 to ACC-BO/),
  });
  expect(await didOf(on, run)).toBe('It had tools change something once: pay (1). The answer of 1 call was not given to it: pay (1).');
  expect(await whyOf(on, run)).toMatch(
    /Call \d+ to pay was carried out: it answered "paid 75 to ACC-BO, \d+"\. Its agent has not been given the answer yet\./,
  );

  const grant = (await on.admin.showRun({ params })).caps.find(({ alias }) => alias === 'pay')?.grant as never;
  const receipt = await on.admin.revokeGrant({ params: { grant }, body: { reason: 'too much' } });
  expect(receipt).toMatchObject({ calls_aborted: 0, calls: [{ run, call, tool: 'pay', fate: 'answered' }] });
  const answered = { state: 'answered', acted: 'yes', result: expect.stringMatching(/^paid 75/), error: { code: 'CORRAL_REVOKED' } };
  await until(async () => (await callOf(on, run))?.error !== null, 'the answer is withheld');
  expect(await callOf(on, run)).toMatchObject(answered);

  await on.admin.operate({ body: { operation: 'resume', target: { run }, reason: 'go on' } });
  expect(await on.output(run)).toEqual(['CORRAL_REVOKED']);
  expect(await callOf(on, run)).toMatchObject(answered);
  expect(await didOf(on, run)).toBe('It had tools change something once: pay (1). The answer of 1 call was not given to it: pay (1).');
  const why = await whyOf(on, run);
  expect(why).toContain('The answer was withheld from its agent: CORRAL_REVOKED.');
  expect(why).not.toContain('failed');
  const said = await corral(['why', run, '--data', on.data]);
  expect(said.out).toContain('was carried out: it answered "paid 75 to ACC-BO');
});

test('a payment that was made is done for people after a kill, and one that waited for people is not', async () => {
  const on = host();
  const { run } = await paidWhilePaused(on);
  await on.admin.operate({ body: { operation: 'kill', target: { run }, reason: 'enough' } });
  expect(await callOf(on, run)).toMatchObject({ state: 'answered', acted: 'yes', result: expect.stringMatching(/^paid 75/) });
  expect(await didOf(on, run)).toContain('It had tools change something once: pay (1).');
  expect(await whyOf(on, run)).toContain('was carried out: it answered "paid 75 to ACC-BO');

  const other = await on.pay({ to: 'ACC-BO', amount: 76 });
  await on.waiting(other);
  await on.admin.operate({ body: { operation: 'kill', target: { run: other }, reason: 'enough' } });
  expect(await callOf(on, other)).toMatchObject({ state: 'abandoned', acted: 'no' });
  expect(await didOf(on, other)).toBe('It changed nothing by a tool.');
});

test('a call that is made again until its attempts are used up may have been carried out, whatever its agent was told', async () => {
  const on = host();
  await on.deploy(`{ name: 'poster', uses: { crm: 'http:crm' }, run: ({ caps }) => caps.crm({ path: '/' }).catch((error) => error.code) }`);
  const { run } = await on.admin.submitRun({ body: { agent: 'poster' } });
  expect(await on.output(run)).toBe('CORRAL_TOOL_FAILED');
  expect(await callOf(on, run)).toMatchObject({ state: 'failed', acted: 'unknown', error: { code: 'CORRAL_TOOL_FAILED' } });
  expect(await didOf(on, run)).toContain('http:crm CORRAL_TOOL_FAILED');
  expect(await whyOf(on, run)).toMatch(/Call \d+ to http:crm may have been carried out \(CORRAL_TOOL_FAILED/);
});

test('runs to which something was refused, and those whose agent was not told of a deed, are counted and found', async () => {
  const on = host();
  const since = Date.now();
  const run = await on.pay({ to: 'ACC-BO', amount: 77 });
  const { call } = await on.waiting(run);
  const approver = await on.as('local', 'approver');
  await approver.decideApproval({ params: { run, call }, body: { verdict: 'deny', reason: 'no' } });
  expect(await on.output(run)).toEqual(['CORRAL_APPROVAL_DENIED']);
  const list = async (query: object) => (await on.admin.listRuns({ query: { limit: 50, ...query } })).items;
  expect(await list({ refused_from: since })).toMatchObject([{ run, ended_as: 'completed', refused: 1, withheld: 0 }]);
  const withheld = await list({ withheld_from: 0 });
  expect(withheld.map((one) => one.withheld)).toEqual([1, 1]);
  expect(await list({ withheld_from: Date.now() + 1000 })).toEqual([]);
});
