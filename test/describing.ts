/**
 * Describes the agents that tests deploy, in one cell for all of them. A host starts a cell for each and kills it afterwards, because an
 * author's code has run in it; that took a quarter of the CPU time of a short test.
 */
import type { CellId } from '@corral/protocol/ids';
import { DEFAULT_CEILINGS } from '@corral/protocol/limits';
import { digestOf, findWalls, ProcessLauncher, realClock } from '@corral/supervisor';
import { Cell, type CellEvents } from '@corral/supervisor/cells/cell';

/** Time after which the host is to describe a bundle itself, by its own limits: some tests deploy bundles that never load. Milliseconds. */
const PATIENCE_MS = 10_000;

const nothing = () => undefined;

class Describing {
  readonly #cell: Cell;
  readonly #ready = Promise.withResolvers<boolean>();
  #answer: ((manifests: unknown) => void) | undefined;
  /** The end of the description before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor() {
    const events: CellEvents = {
      onReady: () => this.#ready.resolve(true),
      onDescribed: (_, __, manifests) => this.#answer?.(JSON.parse(manifests)),
      onFault: () => this.#answer?.(undefined),
      onExit: () => {
        this.#ready.resolve(false);
        this.#answer?.(undefined);
      },
      onFree: nothing,
      onCranked: nothing,
      onReplayed: nothing,
      onSpared: nothing,
    };
    this.#cell = new Cell('cell_describing' as CellId, 1, new ProcessLauncher(findWalls()), () => realClock.monotonic(), events);
  }

  get gone(): boolean {
    return this.#cell.killed || this.#cell.dead;
  }

  describe(source: string): Promise<unknown> {
    const described = this.#turn.then(() => this.#describe(source));
    this.#turn = described;
    return described;
  }

  async #describe(source: string): Promise<unknown> {
    if (!(await this.#ready.promise) || this.gone) return undefined;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#answer = resolve;
    const { memory_mib, message_bytes } = DEFAULT_CEILINGS;
    const options = { agent: '', at: 0, memory_mib, seed: '0'.repeat(64), message_bytes, log_bytes: message_bytes };
    this.#cell.describe({ digest: digestOf(source), source }, options, PATIENCE_MS);
    const stop = realClock.after(PATIENCE_MS, () => {
      this.#cell.kill();
      resolve(undefined);
    });
    try {
      return await promise;
    } finally {
      stop();
      this.#answer = undefined;
    }
  }
}

let describing: Describing | undefined;

/** @returns undefined where the bundle does not describe itself; a host that is asked says why */
export function manifestsOf(source: string): Promise<unknown> {
  if (describing === undefined || describing.gone) describing = new Describing();
  return describing.describe(source);
}
