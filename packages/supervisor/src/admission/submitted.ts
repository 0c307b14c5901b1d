import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Ends } from '../runs/ends.ts';

/** A run that was admitted. */
export interface Submitted {
  readonly id: RunId;
  /** Resolves with the outcome once it is durable; never rejects. */
  readonly ended: Promise<Outcome>;
}

/** Waits for the end only if `ended` is read. */
export const submittedTo = (ends: Ends, id: RunId): Submitted => ({
  id,
  get ended() {
    return ends.ended(id);
  },
});
