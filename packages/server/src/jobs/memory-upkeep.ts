/**
 * Keeps `memory.db` small: deletes entries that have expired, and the recorded answers to writes of runs that have ended, since those make no
 * call again. A host whose agents have kept nothing has no such file, and does nothing.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunId } from '@corral/protocol/ids';
import { MEMORY } from '@corral/protocol/limits-memory';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import type { Store } from '@corral/protocol/ports/store';

export interface MemoryUpkeepOptions {
  /** The data folder. */
  readonly data: string;
  readonly memory: MemoryStore;
  readonly stored: Store['run'];
  readonly now: () => number;
}

/** Runs that are looked up at a time. */
const RUNS = 100;

export class MemoryUpkeep {
  readonly #options: MemoryUpkeepOptions;
  #busy = false;
  /** The next look does something from this time on. */
  #due = 0;

  constructor(options: MemoryUpkeepOptions) {
    this.#options = options;
  }

  /** Tidies up if it is time. Called often. */
  async look(): Promise<void> {
    const { data, memory, now } = this.#options;
    if (this.#busy || now() < this.#due || !existsSync(join(data, 'memory.db'))) return;
    this.#busy = true;
    this.#due = now() + MEMORY.memory_sweep_ms.default;
    try {
      while (await memory.sweep());
      await this.#settle();
    } finally {
      this.#busy = false;
    }
  }

  async #settle(): Promise<void> {
    const { memory } = this.#options;
    for (let after = ''; ;) {
      const runs = await memory.callers(after, RUNS);
      const over: string[] = [];
      for (const run of runs) if (await this.#isOver(run)) over.push(run);
      if (over.length > 0) await memory.settled(over);
      const last = runs.at(-1);
      if (last === undefined || runs.length < RUNS) return;
      after = last;
    }
  }

  /** A run that cannot be read may go on after its folder was repaired. */
  async #isOver(run: string): Promise<boolean> {
    try {
      const stored = await this.#options.stored(run as RunId);
      return stored === undefined || stored.status.lifecycle === 'ended';
    } catch {
      return false;
    }
  }
}
