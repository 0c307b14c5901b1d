/** How long a run that was asked to stop may still tidy up. */
import type { Cancelled } from '@corral/broker/ledger/pending';
import { MACHINE } from '@corral/protocol/limits';

/**
 * Milliseconds left of its grace. The grace counts from the request on, less the time in which no host was at work: one that began
 * anew under each host would let a run outlive any number of restarts.
 * @param absent milliseconds between two times in which no host was at work
 * @param now in milliseconds since 1970
 */
export function graceLeft_ms(
  { at, grace_ms = MACHINE.cancel_grace_ms.default }: Pick<Cancelled, 'at' | 'grace_ms'>,
  absent: (from: number, until: number) => number,
  now: number,
): number {
  const used_ms = at === undefined ? 0 : now - at - absent(at, now);
  return Math.min(grace_ms, Math.max(0, grace_ms - used_ms));
}
