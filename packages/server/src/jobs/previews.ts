/** Keeps the results of dry runs, so that an act on the same selection can list what was beyond them. They are kept in memory, and not for long. */
import { hash } from 'node:crypto';

/** Previews that are remembered at most, and runs in all of them together. */
const PREVIEWS = 100;
const RUNS = 500_000;

/** Stands for a set of runs, in whatever order. */
export const previewOf = (runs: readonly string[]): string => hash('sha256', [...runs].sort().join('\n')).slice(0, 16);

export class Previews {
  readonly #known = new Map<string, ReadonlySet<string>>();
  #runs = 0;

  /** @param preview of these runs */
  keep(preview: string, runs: readonly string[]): void {
    this.#forget(preview);
    this.#known.set(preview, new Set(runs));
    this.#runs += runs.length;
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= PREVIEWS && this.#runs <= RUNS) break;
      this.#forget(oldest);
    }
  }

  /** Those of some runs that a preview had not shown; null if it is not known any more. */
  beyond(preview: string, runs: readonly string[]): string[] | null {
    const shown = this.#known.get(preview);
    return shown === undefined ? null : runs.filter((run) => !shown.has(run));
  }

  #forget(preview: string): void {
    this.#runs -= this.#known.get(preview)?.size ?? 0;
    this.#known.delete(preview);
  }
}
