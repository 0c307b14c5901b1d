/** Repeats work that the store refused, for example because the disk was full, until the store takes it. */
import type { Clock } from '@corral/protocol/ports/machine';

/** Pause between two attempts. */
const RETRY_MS = 1_000;

/** @param isOver whether the work is no longer needed */
export function retry(clock: Clock, isOver: () => boolean, work: () => Promise<unknown>): void {
  const again = () => {
    if (!isOver()) work().catch(() => clock.after(RETRY_MS, again));
  };
  clock.after(RETRY_MS, again);
}
