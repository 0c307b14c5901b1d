/**
 * Says which runs have changed in what lists and pages show of them, for followers that asked for it: that a run was parked, got an answer or
 * finished a crank is told nowhere else. It is told at most once a second for each run, and kept nowhere: a follower that comes back reads
 * what it shows again anyway.
 */
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { RunIndex } from '@corral/protocol/ports/front';
import type { Observation } from '@corral/supervisor';

/** Observations that change the figures of a run without being events. */
const SHOWN: ReadonlySet<Observation['kind']> = new Set(['woken', 'parked', 'answered', 'replied', 'cranked', 'denied']);
export const EVERY_MS = 1_000;
/** Runs that are named at once. If more changed, none is named: a follower of all of a busy host cannot look at each. */
const NAMED = 200;

export interface ChangedRun {
  readonly run: RunId;
  readonly tenant: string;
  readonly agent: string;
}

export interface RunChangesParts {
  readonly clock: Pick<Clock, 'after'>;
  readonly index: Pick<RunIndex, 'get'>;
  /** Whether anybody wants to be told. */
  readonly wanted: () => boolean;
  /** @param runs the changed ones; undefined if there are too many to name */
  readonly tell: (runs: readonly ChangedRun[] | undefined) => void;
}

export class RunChanges {
  readonly #parts: RunChangesParts;
  readonly #changed = new Set<RunId>();
  #stop: (() => void) | undefined;

  constructor(parts: RunChangesParts) {
    this.#parts = parts;
  }

  readonly heard = (observation: Observation): void => {
    if (!SHOWN.has(observation.kind) || !('run' in observation) || observation.run === undefined || !this.#parts.wanted()) return;
    // One more than is named says that there are more.
    if (this.#changed.size <= NAMED) this.#changed.add(observation.run);
    this.#stop ??= this.#parts.clock.after(EVERY_MS, () => this.#tell());
  };

  close(): void {
    this.#stop?.();
    this.#changed.clear();
  }

  #tell(): void {
    const { index, tell } = this.#parts;
    this.#stop = undefined;
    const runs = [...this.#changed];
    this.#changed.clear();
    if (runs.length > NAMED) return tell(undefined);
    tell(
      runs.flatMap((run) => {
        const row = index.get(run);
        return row === undefined ? [] : [{ run, tenant: row.tenant, agent: row.agent }];
      }),
    );
  }
}
