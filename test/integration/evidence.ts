/** Writes runs with small and large payloads into a store, for the tests of evidence. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Digest } from '@corral/protocol/ids';
import type { Entry, RunRecord, RunStatus } from '@corral/protocol/model/run';
import type { Commit, Store } from '@corral/protocol/ports/store';
import { SqliteStore, type StoreOptions } from '@corral/store/sqlite';
import * as plain from '@corral/store/fixtures/commits';
import { temporary } from '../world.ts';

export const SOURCE = 'the source of a bundle';
export const BUNDLE = `sha256:${createHash('sha256').update(SOURCE).digest('hex')}` as Digest;
export const { ACTIVE, runId } = plain;

export const record = (n: number, { tenant = 't', input = { n } }: { tenant?: string; input?: unknown } = {}): RunRecord =>
  plain.record(n, { tenant: tenant as never, input: input as never, version: BUNDLE, bundle: BUNDLE });

export const entry = (seq: number, value: unknown = seq): Entry =>
  plain.entry(seq, {
    delivery: JSON.stringify({ kind: 'reply', at: 10 + seq, results: [{ id: seq, value }] }),
    effects: JSON.stringify([{ kind: 'call', id: seq + 1, cap: 1, input: value }]),
    decisions: [{ id: seq + 1, verdict: 'allow' }],
  });

export const ended = (output: unknown, ended_at = 99): RunStatus => ({
  lifecycle: 'ended',
  control: 'none',
  waiting: 'nothing',
  outcome: { kind: 'completed', output: output as never },
  ended_at,
});

export const commit = (n: number, seq: number, { value, ...more }: Partial<Commit> & { value?: unknown } = {}): Commit =>
  plain.commit(n, seq, { entry: entry(seq, value), ...more });

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
  await store.admit(record(n, { input: value, ...(tenant === undefined ? {} : { tenant }) }), [], 1);
  // All at once: commits of one run take effect in the order in which they are handed over.
  await Promise.all(
    Array.from({ length: entries }, (_, i) =>
      store.commit(commit(n, i + 1, { value, ...(end !== undefined && i + 1 === entries ? { status: ended(value, end) } : {}) })),
    ),
  );
}

/** A folder, and what opens its store. */
export async function opener(): Promise<{ folder: string; open: (options?: StoreOptions) => Promise<SqliteStore> }> {
  const folder = join(await temporary(), 'data');
  return { folder, open: (options) => SqliteStore.open(folder, options) };
}
