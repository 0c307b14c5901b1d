/**
 * Says which runs have changed in what lists and pages show of them, for followers that asked for it: that a run was parked, got an answer or
 * finished a crank is told nowhere else. It is told at most once a second for each run, and kept nowhere: a follower that comes back reads
 * what it shows again anyway.
 */
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Observation } from '@corral/supervisor';

/** Observations that change the figures of a run without being events. */
const SHOWN: ReadonlySet<Observation['kind']> = new Set(['woken', 'parked', 'answered', 'replied', 'cranked', 'denied']);
const EVERY_MS = 1_000;
/** Runs of a tenant that are named at once. If more changed, none is named: a follower of all of them cannot look at each. */
const NAMED = 200;

export interface ChangedRun {
  readonly run: RunId;
  readonly agent: string;
}
/** The changed runs of each tenant; undefined where there are too many to name. */
export type Changed = ReadonlyMap<string, readonly ChangedRun[] | undefined>;

export interface RunChangesParts {
  readonly clock: Pick<Clock, 'after'>;
  /** The tenant and the agent of a run in memory. */
  readonly about: (run: RunId) => { readonly tenant: string; readonly agent: string } | undefined;
  /** Whether anybody wants to be told. */
  readonly wanted: () => boolean;
  readonly tell: (changed: Changed) => void;
}

export class RunChanges {
  readonly #parts: RunChangesParts;
  /** By tenant. It holds one more run than are named where there are more. */
  readonly #changed = new Map<string, Map<RunId, ChangedRun>>();
  readonly #seen = new Set<RunId>();
  #stop: (() => void) | undefined;
  #closed = false;

  constructor(parts: RunChangesParts) {
    this.#parts = parts;
  }

  readonly heard = (observation: Observation): void => {
    if (this.#closed || !SHOWN.has(observation.kind) || !('run' in observation) || observation.run === undefined) return;
    const { run } = observation;
    const { clock, about, wanted } = this.#parts;
    if (this.#seen.has(run) || !wanted()) return;
    const known = observation.kind === 'parked' ? observation.view : about(run);
    if (known === undefined) return;
    const of = this.#changed.get(known.tenant) ?? new Map<RunId, ChangedRun>();
    this.#changed.set(known.tenant, of);
    if (of.size > NAMED) return;
    this.#seen.add(run);
    of.set(run, { run, agent: known.agent });
    this.#stop ??= clock.after(EVERY_MS, () => this.#tell());
  };

  close(): void {
    this.#closed = true;
    this.#stop?.();
    this.#stop = undefined;
  }

  #tell(): void {
    this.#stop = undefined;
    const changed = new Map(
      [...this.#changed].map(([tenant, runs]) => [tenant, runs.size > NAMED ? undefined : [...runs.values()]] as const),
    );
    this.#changed.clear();
    this.#seen.clear();
    this.#parts.tell(changed);
  }
}
