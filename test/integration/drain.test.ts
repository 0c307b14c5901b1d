/** A host that comes to rest: once it has stopped the calls under way, none leaves, whatever path it comes by. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Commit, Store } from '@corral/protocol/ports/store';
import { gate, keepingBack, temporary, tool, world, type World } from '../world.ts';
import { asked, forbidding, paid, PAYER, payments, policies } from './payments.ts';
import { found, realTime, until } from '../until.ts';

/** A host of which some commits are kept back, and what lets them be written. */
async function slow(isKept: (commit: Commit) => boolean, tools = [payments()], text = '') {
  const folder = await temporary();
  const mayBeWritten = gate();
  const isWritten = gate();
  const through = (store: Store) => keepingBack(store, (commit) => isKept(commit) && (isWritten.open(), true), mayBeWritten.opened);
  const tenants = { crew: { tools, ...(text === '' ? {} : { policies: { current: policies(tools, text) } }) } };
  const w = await world(tools, { folder, through, tenants });
  // Before the host closes, which waits for what is kept back.
  onTestFinished(mayBeWritten.open);
  /** It drains, what was kept back is written once it has stopped its calls, and it is closed. */
  const stop = async () => {
    const drained = w.supervisor.drain(0);
    // The drain gives what is under way a moment after it has stopped calls; within that, the commit arrives.
    await realTime(50, 'a drain that has stopped its calls');
    mayBeWritten.open();
    await drained;
    await w.close();
  };
  const next = () => world(tools, { folder, tenants });
  return { w, isWritten: isWritten.opened, stop, next };
}
const outcomeIn = (w: World, id: RunId) => w.supervisor.ended(id);

describe('after a host that stops has stopped its calls, none leaves', () => {
  test('of a crank that becomes durable then: one that may not be repeated was not made, and its agent is told so', async () => {
    paid.length = 0;
    const { w, isWritten, stop, next } = await slow(({ entry }) => entry.decisions.length > 0);
    const { id } = await w.submit(await w.deploy(PAYER));
    await isWritten;
    await stop();
    expect(paid).toEqual([]);
    expect(await outcomeIn(await next(), id)).toEqual({ kind: 'completed', output: ['CORRAL_TOOL_BUSY'] });
    expect(paid).toEqual([]);
  });

  test('of a crank that becomes durable then: one that may be repeated is left to the next host', async () => {
    paid.length = 0;
    let made = 0;
    const send = tool('payments.send', () => (made += 1), { idempotent: true });
    const { w, isWritten, stop, next } = await slow(({ entry }) => entry.decisions.length > 0, [send]);
    const { id } = await w.submit(await w.deploy(PAYER));
    await isWritten;
    await stop();
    expect(made).toBe(0);
    expect(await outcomeIn(await next(), id)).toEqual({ kind: 'completed', output: ['paid'] });
    expect(made).toBe(1);
  });

  test('that somebody had approved just before', async () => {
    paid.length = 0;
    const { w, isWritten, stop, next } = await slow(
      ({ entry }) => entry.event?.kind === 'approval',
      [payments()],
      forbidding('@consequence("approval")'),
    );
    const { id } = await w.submit(await w.deploy(PAYER));
    const { call } = await asked(w);
    const approved = w.supervisor.control.decide(id, call, 'owner', 'approve', '');
    await isWritten;
    await stop();
    await approved;
    expect(paid).toEqual([]);
    expect(await outcomeIn(await next(), id)).toEqual({ kind: 'completed', output: ['CORRAL_TOOL_BUSY'] });
    expect(paid).toEqual([]);
  });

  test('that somebody had told it to make again just before: it is unknown still', async () => {
    let made = 0;
    const invoke = async () => ((made += 1), { kind: 'unknown' as const, message: 'The line was cut.' });
    const unsure = { ...payments(), invoke };
    const { w, isWritten, stop, next } = await slow(({ entry }) => entry.event?.kind === 'resolved', [unsure]);
    const { id } = await w.submit(await w.deploy(PAYER));
    await w.until(id, (view) => view?.waiting === 'resolution');
    const resolved = w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' });
    await isWritten;
    await stop();
    await resolved;
    expect(made).toBe(1);
    const again = await next();
    await again.until(id, (view) => view?.waiting === 'resolution');
    expect(made).toBe(1);
  });
});

test('a host that is closed at once makes no call that somebody had approved just before', async () => {
  paid.length = 0;
  const tools = [payments()];
  const mayBeWritten = gate();
  const isWritten = gate();
  const isKept = ({ entry }: Commit) => entry.event?.kind === 'approval' && (isWritten.open(), true);
  const through = (store: Store) => keepingBack(store, isKept, mayBeWritten.opened);
  const current = policies(tools, forbidding('@consequence("approval")'));
  const w = await world(tools, { through, tenants: { crew: { tools, policies: { current } } } });
  // Before the host closes, which waits for what is kept back.
  onTestFinished(mayBeWritten.open);
  const { id } = await w.submit(await w.deploy(PAYER));
  const { call } = await asked(w);
  const approved = w.supervisor.control.decide(id, call, 'owner', 'approve', '').catch(() => undefined);
  await isWritten.opened;
  const closed = w.close();
  mayBeWritten.open();
  await Promise.all([closed, approved]);
  expect(paid).toEqual([]);
});

test('a host that is closed at once makes no call that waited for the place of one that it drops', async () => {
  let made = 0;
  const send = tool('payments.send', () => ((made += 1), new Promise(() => undefined)));
  const w = await world([send], { tenants: { crew: { tools: [send], limits: () => ({ own: { concurrent: 1 } }) } } });
  const version = await w.deploy(PAYER);
  const [first, second] = [await w.submit(version), await w.submit(version)];
  for (const { id } of [first, second]) await expect.poll(async () => (await w.store.journal(id)).length, { timeout: 90_000 }).toBe(1);
  expect(made).toBe(1);
  await w.close();
  expect(made).toBe(1);
});

// Bug refused-with-its-answer: an answer in a commit that a full disk had refused counted as handed over, and was not kept at the stop.
test('the answer of a call that may not be repeated outlives a stop after the disk had no room for its crank', async () => {
  paid.length = 0;
  const folder = await temporary();
  const full = Promise.reject(new CorralError('CORRAL_DISK_FULL', 'The disk is full.'));
  full.catch(() => undefined);
  const through = (store: Store) => keepingBack(store, ({ entry }) => entry.delivery?.includes('"reply"') === true, full);
  const w = await world([payments()], { folder, through });
  const { id } = await w.submit(await w.deploy(PAYER));
  await until(() => w.seen.some(({ kind }) => kind === 'refused'));
  await w.close();
  const next = await world([payments()], { folder });
  const became = await found(async () => {
    const { outcome, waiting } = (await next.store.run(id))?.status ?? {};
    return outcome ?? (waiting === 'resolution' ? waiting : undefined);
  }, 'the run ends, or waits for somebody to say what its call did');
  expect(became).toEqual({ kind: 'completed', output: ['paid'] });
  expect(paid).toHaveLength(1);
});
