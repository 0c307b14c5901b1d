import { expect, test } from 'vitest';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Tool, ToolResult } from '@corral/protocol/ports/tool';
import type { Result } from '@corral/protocol/wire/delivery';
import type { Dispatch } from '../effects/batch.ts';
import { Dispatcher } from './dispatcher.ts';

const record = { id: 'run_a' as RunId, tenant: 'crew' as TenantId, ceilings: DEFAULT_CEILINGS } as RunRecord;

/** A node that cannot make sure that it holds its runs, with one call of a tool. */
function unsure(answers: ToolResult[] = []) {
  const later: (() => void)[] = [];
  const node = { isSure: false, isStopped: false, now: 0 };
  const clock: Clock = {
    now: () => node.now,
    monotonic: () => node.now,
    after: (_, then) => {
      later.push(then);
      return () => void later.splice(later.indexOf(then), 1);
    },
  };
  const results: Result[] = [];
  let sent = 0;
  const tool = {
    name: 'pay',
    annotations: { readOnly: false, idempotent: true, destructive: false, openWorld: true },
    output: { check: (value: unknown) => ({ ok: true, value }) },
    invoke: async () => {
      sent += 1;
      return answers.shift() ?? { kind: 'ok', value: sent };
    },
  } as unknown as Tool;
  const dispatcher = new Dispatcher(
    { clock, random: () => new Uint8Array(1), isSure: () => node.isSure },
    {
      isStopped: () => node.isStopped,
      onResult: (_, result) => void results.push(result),
      onUnknown: () => undefined,
      onInput: () => undefined,
      onChunk: () => undefined,
      onTakeBack: () => undefined,
      onLook: () => undefined,
    },
  );
  const call: Dispatch = { id: 1, tool, input: {}, timeout_ms: undefined, attempts: 2, early: false };
  /** Runs the timers that are set now, and lets the tool answer. */
  const pass = async () => {
    node.now += 1_000;
    for (const then of later.splice(0)) then();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { node, dispatcher, call, pass, results, sent: () => sent };
}

test('a call that waits until its node is sure of the lease goes then', async () => {
  const { node, dispatcher, call, pass, results, sent } = unsure();
  dispatcher.start(record, call, false);
  await pass();
  expect([sent(), results]).toEqual([0, []]);
  node.isSure = true;
  await pass();
  expect([sent(), results]).toEqual([1, [{ id: 1, value: 1 }]]);
  expect(dispatcher.size).toBe(0);
});

test('a call whose tool was put under quarantine while its node was not sure of the lease is not sent', async () => {
  const { node, dispatcher, call, pass, results, sent } = unsure();
  dispatcher.start(record, call, false);
  [node.isStopped, node.isSure] = [true, true];
  await pass();
  expect(sent()).toBe(0);
  expect(results).toMatchObject([{ id: 1, error: { code: 'CORRAL_QUARANTINED' } }]);
  expect(dispatcher.size).toBe(0);
});

test('a failure after an attempt that was lost says that the tool may have acted; one of the only attempt does not', async () => {
  const lost = { kind: 'unknown', message: 'lost' } as const;
  const said = { kind: 'failed', message: 'full' } as const;
  for (const [answers, may_have_acted, leftBefore] of [
    [[said], undefined, false],
    [[{ ...said, retryable: true }, said], undefined, false],
    [[lost, said], true, false],
    [[lost, lost], true, false],
    [[said], true, true],
  ] as const) {
    const { node, dispatcher, call, pass, results } = unsure([...answers]);
    node.isSure = true;
    dispatcher.start(record, { ...call, leftBefore }, false);
    await new Promise((resolve) => setImmediate(resolve));
    await pass();
    expect(results).toMatchObject([{ id: 1, error: { code: 'CORRAL_TOOL_FAILED' } }]);
    expect('may_have_acted' in (results[0] as object)).toBe(may_have_acted === true);
  }
});

test('a second attempt that such a quarantine stops tells what the first was answered', async () => {
  const { node, dispatcher, call, pass, results, sent } = unsure([{ kind: 'failed', message: 'full', retryable: true }]);
  node.isSure = true;
  dispatcher.start(record, call, false);
  await new Promise((resolve) => setImmediate(resolve));
  node.isSure = false;
  await pass();
  [node.isStopped, node.isSure] = [true, true];
  await pass();
  expect(sent()).toBe(1);
  expect(results).toMatchObject([{ id: 1, error: { code: 'CORRAL_TOOL_FAILED', message: 'full' } }]);
});
