/** The short form of an outcome, in a file without schemas: the threads of a store start without loading them. */
import type { Outcome } from './outcome.ts';

/** The short form people read: `completed`, `exceeded(cpu)`, `failed(CORRAL_CAP_FORGED)`, `failed(stalled)`. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'failed':
      return outcome.code === 'CORRAL_STALLED' ? 'failed(stalled)' : `failed(${outcome.code})`;
    case 'exceeded':
      return `exceeded(${outcome.limit})`;
    case 'denied':
    case 'never_started':
      return `${outcome.kind}(${outcome.code})`;
    case 'looped':
      // Its first word is the detector that was surest.
      return `looped(${outcome.evidence.split(' ', 1)[0] ?? ''})`;
    case 'diverged':
      return outcome.difference === undefined
        ? `diverged(crank ${outcome.crank})`
        : `diverged(crank ${outcome.crank}, effect ${(outcome.index ?? 0) + 1} ${outcome.difference})`;
    case 'completed':
    case 'killed':
    case 'cancelled':
      return outcome.kind;
  }
}
