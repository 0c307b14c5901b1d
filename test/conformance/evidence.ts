/** What the tests of evidence write into a store: runs with small and large payloads. */
import { createHash } from 'node:crypto';
import type { Digest, RunId } from '@corral/protocol/ids';
import { DEFAULT_BUDGET, DEFAULT_CEILINGS } from '@corral/protocol/limits';
import type { Entry, RunRecord, RunStatus } from '@corral/protocol/run';
import type { Commit, Store } from '@corral/protocol/store';

export const SOURCE = 'the source of a bundle';
export const BUNDLE = `sha256:${createHash('sha256').update(SOURCE).digest('hex')}` as Digest;
export const runId = (n: number) => `run_${String(n).padStart(12, '0')}` as RunId;

export const record = (n: number, more: { tenant?: string; input?: unknown } = {}): RunRecord => ({
  id: runId(n),
  tenant: (more.tenant ?? 't') as never,
  agent: 'a' as never,
  version: BUNDLE,
  bundle: BUNDLE,
  principal: 'p' as never,
  parent: undefined,
  spawn_depth: 0,
  input: (more.input ?? { n }) as never,
  header: { seed: '0', image: 'i', node: '26', v8: '14', icu: '77' },
  ceilings: DEFAULT_CEILINGS,
  budget: DEFAULT_BUDGET,
  caps: [],
  created_at: 1_000 + n,
});

export const entry = (seq: number, value: unknown = seq): Entry => ({
  seq,
  at: 10 + seq,
  delivery: JSON.stringify({ kind: 'reply', at: 10 + seq, results: [{ id: seq, value }] }),
  effects: JSON.stringify([{ kind: 'call', id: seq + 1, cap: 1, input: value }]),
  decisions: [{ id: seq + 1, verdict: 'allow' }],
  event: undefined,
  cpu_us: 5,
});

export const ACTIVE: RunStatus = { lifecycle: 'active', control: 'none', waiting: 'call', outcome: undefined, ended_at: undefined };
export const ended = (output: unknown, ended_at = 99): RunStatus => ({
  lifecycle: 'ended',
  control: 'none',
  waiting: 'nothing',
  outcome: { kind: 'completed', output: output as never },
  ended_at,
});

export const commit = (n: number, seq: number, more: Partial<Commit> & { value?: unknown } = {}): Commit => {
  const { value, ...rest } = more;
  return {
    run: runId(n),
    epoch: 1,
    entry: entry(seq, value),
    status: ACTIVE,
    consumed: undefined,
    outbox: [],
    spawned: [],
    grants: [],
    grantStates: [],
    timers: [],
    timersDone: [],
    ...rest,
  };
};

export const message = (from: number, to: number, body: unknown) => ({
  to: runId(to),
  key: '1.0',
  delivery: { kind: 'message' as const, from: { run: runId(from), agent: 'a' as never }, body: body as never, depth: 1 },
});

/** A run with this many entries that carry `value`, ended with it if it is to end. */
export async function live(
  store: Store,
  n: number,
  entries: number,
  more: { value?: unknown; tenant?: string; end?: number } = {},
): Promise<void> {
  const { value = n, tenant, end } = more;
  await store.deploy({ digest: BUNDLE, source: SOURCE, source_map: undefined }, []);
  await store.admit(record(n, { input: value, ...(tenant === undefined ? {} : { tenant }) }), [], true);
  // All at once: commits of one run take effect in the order in which they are handed over.
  await Promise.all(
    Array.from({ length: entries }, (_, i) =>
      store.commit(commit(n, i + 1, { value, ...(end !== undefined && i + 1 === entries ? { status: ended(value, end) } : {}) })),
    ),
  );
}
