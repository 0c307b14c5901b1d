/** The time for which a cancelled run may still clean up. */
import type { Cancelled } from '@corral/broker/ledger/pending';
import { MACHINE } from '@corral/protocol/limits';

/**
 * Milliseconds left of the grace. It counts from the request, without the time in which no host was running. It does not start again with
 * each host, because then a run could outlive any number of restarts.
 * @param absent milliseconds between two times in which no host was running
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
