/** Work that the store refused, for want of space perhaps, and that must be done all the same. */
import type { Clock } from '@corral/protocol/ports';

/** How long it is left alone before it is tried again. */
const RETRY_MS = 1_000;

/** Does it later, again and again, until the store takes it or it is over. */
export function retry(clock: Clock, isOver: () => boolean, work: () => Promise<unknown>): void {
  const again = () => {
    if (!isOver()) work().catch(() => clock.after(RETRY_MS, again));
  };
  clock.after(RETRY_MS, again);
}
