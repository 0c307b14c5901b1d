/**
 * Work on the evidence of runs while they go on: verifying, erasing, collecting, replaying, forking, copying. Reading runs on
 * threads of the store and replaying in cells of a laboratory, so that no run is delayed.
 */
import type { Digest, RunId, TenantId } from '@corral/protocol/ids';
import { CorralError } from '@corral/protocol/errors';
import type { LogHead } from '@corral/protocol/model/log';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Entry, RunHeader } from '@corral/protocol/model/run';
import type { BackupManifest, Collection, Erased, Freed, Verification } from '@corral/protocol/ports/evidence';
import type { Store } from '@corral/protocol/ports/store';
import { overrunStack, type Forked, type ForkRequest, type Laboratory, type TrialResult, type TrialStep } from '@corral/supervisor';
import { pagesOf } from './pages.ts';
import { breathe } from './serial-queue.ts';

type Runtime = Omit<RunHeader, 'seed'>;

export interface Replay extends TrialResult {
  readonly recorded: Runtime;
  readonly replayed: Runtime;
  readonly steps: readonly TrialStep[];
  /** Where the agent used up its CPU time, in positions of the bundle; undefined if the run ended otherwise. */
  readonly computed_at: string | undefined;
}

export interface Fork extends Pick<Forked, 'unknown'> {
  readonly id: RunId;
}

export interface Upkeep {
  /** @param head of the log, as it was kept outside of this host */
  verify(run: RunId | undefined, tenant: TenantId | undefined, head: LogHead | undefined): Promise<Verification>;
  logHead(): Promise<LogHead>;
  /** @throws CORRAL_RUN_STATE, CORRAL_RUN_UNKNOWN */
  erase(run: RunId, dryRun: boolean): Promise<Erased & { readonly erased_at: number | null }>;
  collect(wanted: Collection, dryRun: boolean): Promise<Freed>;
  /** Deletes what accounts spent before a day. @returns how many rows */
  forgetSpend(before: string): Promise<number>;
  /** @param to the last crank */
  replay(run: RunId, to: number | undefined): Promise<Replay>;
  /** The fork is durable, and will run, when it resolves. */
  fork(request: ForkRequest): Promise<Fork>;
  backup(to: string): Promise<BackupManifest>;
}

export interface UpkeepOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly image: string;
  readonly laboratory: () => Laboratory;
  readonly fork: (request: ForkRequest) => Promise<Fork>;
}

/** Entries of a journal that are read at a time. */
const PAGE = 100;

export function upkeepOf({ store, clock, image, laboratory, fork }: UpkeepOptions): Upkeep {
  return {
    verify: (run, tenant, head) => store.verify(run, tenant, head),
    logHead: () => store.logHead(),
    async erase(run, dryRun) {
      if (dryRun) return { ...(await store.erasable(run)), erased_at: null };
      const erased_at = clock.now();
      return { ...(await store.erase(run, erased_at)), erased_at };
    },
    collect: (wanted, dryRun) => (dryRun ? store.collectable(clock.now(), wanted) : store.gc(clock.now(), wanted)),
    forgetSpend: (before) => store.forgetSpend(before),
    async replay(run, to) {
      const stored = await store.run(run);
      if (stored === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run} here.`);
      const entries = await journalOf(store, run, to);
      const room = laboratory();
      try {
        const { node, v8, icu } = await room.runtime();
        const steps: TrialStep[] = [];
        const bundle = (digest: Digest) => bundleOf(store, digest);
        const result = await room.trial({ record: stored.record, entries, bundle, onStep: (step) => steps.push(step) });
        // The replay is whole without it.
        const computed_at =
          result.difference === undefined
            ? await overrunStack(stored.record, entries, bundle, (options) => room.trial(options)).catch(() => undefined)
            : undefined;
        const { seed: _, ...recorded } = stored.record.header;
        return { ...result, recorded, replayed: { node, v8, icu, image }, steps, computed_at };
      } finally {
        room.close();
      }
    },
    fork,
    backup: (to) => store.backup(to, clock.now()),
  };
}

/** Reads page by page, so that a long journal does not block the host. */
async function journalOf(store: Store, run: RunId, to = Number.POSITIVE_INFINITY): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const page of pagesOf((...of) => store.journal(...of), run, PAGE)) {
    for (const entry of page) if (entry.seq <= to) entries.push(entry);
    if ((page.at(-1)?.seq ?? to) >= to) break;
    await breathe();
  }
  return entries;
}

async function bundleOf(store: Store, digest: Digest): Promise<{ readonly digest: Digest; readonly source: string }> {
  const source = await store.bundle(digest);
  if (source === undefined) throw new CorralError('CORRAL_AGENT_UNKNOWN', `The bundle ${digest} is not in this host’s store.`);
  return { digest, source };
}
