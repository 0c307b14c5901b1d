/**
 * Which run waits for which, fed by the supervisor. If nobody in a group can ever go on, that is a deadlock, and the cycle is named. Only
 * waits without a timeout are recorded, since the others end by themselves.
 */
import { acrossRuns } from './detector.ts';
import type { FindingOf } from './events.ts';

interface Wait {
  readonly on: readonly string[];
  /** `all`: the wait ends when all of them have acted; `any`: when one has. */
  readonly need: 'all' | 'any';
}

export const deadlock = acrossRuns({
  name: 'deadlock',
  sees: 'a group in which everyone waits for another of it, named as a cycle',
  spares: 'waits with a timeout, or for any of several of whom one can go on',
  ladder: { pause: 1 },
});

export class Waits {
  readonly #waits = new Map<string, Wait>();
  /** The runs that wait for a run. */
  readonly #waiters = new Map<string, Set<string>>();

  /** Records for which runs `run` waits. */
  set(run: string, on: readonly string[], need: 'all' | 'any'): void {
    this.goes(run);
    this.#waits.set(run, { on, need });
    for (const other of on) {
      const waiters = this.#waiters.get(other);
      if (waiters === undefined) this.#waiters.set(other, new Set([run]));
      else waiters.add(run);
    }
  }

  /** The runs that are recorded to wait for this one, among others or alone. */
  waitersFor(run: string): readonly string[] {
    return [...(this.#waiters.get(run) ?? [])];
  }

  /** Records that `run` waits. @returns a finding if that makes a deadlock */
  waits(run: string, on: readonly string[], need: 'all' | 'any' = 'all'): FindingOf<'deadlock'>[] {
    this.set(run, on, need);
    return this.found(run);
  }

  /** A finding if the run waits in a deadlock, by what is recorded. */
  found(run: string): FindingOf<'deadlock'>[] {
    const stuck = this.#stuck(run);
    if (!stuck.has(run)) return [];
    const cycle = this.#cycle(run, stuck);
    return [
      {
        detector: 'deadlock',
        confidence: 1,
        evidence: {
          text: cycle.length === 1 ? `${run} waits for itself.` : `Everyone waits for the next: ${[...cycle, cycle[0]].join(' → ')}.`,
          events: [],
          subjects: cycle,
          figures: { length: cycle.length, blocked: stuck.size },
        },
      },
    ];
  }

  /** Whether the run is recorded to wait. */
  isWaiting(run: string): boolean {
    return this.#waits.has(run);
  }

  /** Records that the run no longer waits. */
  goes(run: string): void {
    for (const other of this.#waits.get(run)?.on ?? []) {
      const waiters = this.#waiters.get(other);
      waiters?.delete(run);
      if (waiters?.size === 0) this.#waiters.delete(other);
    }
    this.#waits.delete(run);
  }

  /** The runs that can never go on, of those for which this one waits, and itself; empty if it can. */
  stuckWith(run: string): readonly string[] {
    return [...this.#stuck(run)];
  }

  /** The runs reachable from `run` that can never go on: those left after all that can go on are removed. */
  #stuck(run: string): Set<string> {
    const left = new Set<string>();
    const open = [run];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const wait = this.#waits.get(name);
      if (wait === undefined || left.has(name)) continue;
      left.add(name);
      open.push(...wait.on);
    }
    for (let changed = true; changed;) {
      changed = false;
      for (const name of left) {
        const { on, need } = this.#waits.get(name) as Wait;
        const goes = need === 'any' ? on.some((other) => !left.has(other)) : on.every((other) => !left.has(other));
        if (goes) {
          left.delete(name);
          changed = true;
        }
      }
    }
    return left;
  }

  #cycle(from: string, stuck: ReadonlySet<string>): string[] {
    const path: string[] = [];
    for (let name = from; ;) {
      const seen = path.indexOf(name);
      if (seen >= 0) return path.slice(seen);
      path.push(name);
      name = (this.#waits.get(name) as Wait).on.find((other) => stuck.has(other)) as string;
    }
  }
}
