/**
 * Keeps the results of dry runs, so that an act on the same selection can list what was beyond them. They are kept in memory, and not for long. A
 * preview holds for the person and the operation that it was made for; one tenant's previews never displace another's.
 */
import { hash } from 'node:crypto';
import type { Principal } from '@corral/protocol/api/roles';

/** Previews of a tenant that are remembered at most, and runs in all of them together; the last one is remembered however many it has. */
const PREVIEWS = 100;
const RUNS = 100_000;

/** The purpose of a preview. */
export interface Previewed {
  readonly principal: Pick<Principal, 'id' | 'tenant'>;
  readonly operation: string;
  /** The tool that is taken back, or the grant that is revoked. */
  readonly of?: string | undefined;
}

/** Stands for what one operation of one person would reach, in whatever order. */
export const previewOf = ({ principal, operation, of }: Previewed, reached: readonly string[]): string =>
  hash('sha256', JSON.stringify([principal.tenant, principal.id, operation, of, [...reached].sort()])).slice(0, 16);

interface Kept {
  readonly by: string;
  readonly operation: string;
  readonly of: string | undefined;
  readonly runs: ReadonlySet<string>;
}

export class Previews {
  /** By tenant of the person who asked, and preview; the oldest first. */
  readonly #known = new Map<string, Map<string, Kept>>();

  /** @returns what stands for these runs */
  keep(made: Previewed, runs: readonly string[]): string {
    const { principal, operation, of } = made;
    const preview = previewOf(made, runs);
    const known = this.#known.get(principal.tenant) ?? new Map<string, Kept>();
    this.#known.set(principal.tenant, known);
    known.delete(preview);
    known.set(preview, { by: principal.id, operation, of, runs: new Set(runs) });
    let all = known.values().reduce((sum, one) => sum + one.runs.size, 0);
    for (const [oldest, { runs: its }] of known) {
      if (oldest === preview || (known.size <= PREVIEWS && all <= RUNS)) break;
      known.delete(oldest);
      all -= its.size;
    }
    return preview;
  }

  /** Those of some runs that a preview had not shown; null if it is not known, or was made for another person or operation. */
  beyond({ principal, operation, of }: Previewed, preview: string, runs: readonly string[]): string[] | null {
    const kept = this.#known.get(principal.tenant)?.get(preview);
    if (kept === undefined || kept.by !== principal.id || kept.operation !== operation || kept.of !== of) return null;
    return runs.filter((run) => !kept.runs.has(run));
  }
}
