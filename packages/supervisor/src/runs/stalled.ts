/** Finds runs that can never wake. */
import type { Broker } from '@corral/broker/broker';
import type { Grants } from '@corral/policy/capability/grants';
import type { Store } from '@corral/protocol/ports/store';
import type { Membership } from './membership.ts';
import type { Residency } from './residency.ts';
import type { Run } from './run.ts';

export interface StalledOptions {
  readonly grants: Pick<Grants, 'isShared'>;
  readonly store: Pick<Store, 'isShared'>;
  readonly broker: Pick<Broker, 'settled'>;
  readonly residency: Pick<Residency, 'refresh'>;
  readonly membership: Pick<Membership, 'isFleet'>;
}

function isIdle(run: Run): boolean {
  return (
    run.outcome === undefined &&
    run.control === 'none' &&
    run.ledger.held === undefined &&
    run.ledger.pending.size === 0 &&
    !run.hasWork &&
    !run.isAtWork &&
    // An instance of a service may wait for a message for ever.
    (run.ledger.record.service === undefined || run.ledger.asked.turn || !run.ledger.hasState)
  );
}

/**
 * Calls `then` if a run has no call under way, no timer and no child, and no run can write to it; in the same synchronous step in which that
 * is found. If the store does not answer, its mailbox counts as shared.
 */
export async function ifStalled(options: StalledOptions, run: Run, then: () => void): Promise<void> {
  const { grants, store, broker, residency, membership } = options;
  if (!isIdle(run)) return;
  const own = run.ledger.caps.get(0);
  if (run.ledger.listening && own !== undefined) {
    if (grants.isShared(own)) return;
    // A run that could write to it may be parked, and then only the store knows of its grant.
    run.doubt();
    await broker.settled(run.id);
    const shared = await store.isShared(own).catch(() => true);
    run.settle();
    if (shared || !isIdle(run)) return;
  }
  // Nobody can write to it any more, but other nodes may have done so before.
  if (membership.isFleet) {
    run.doubt();
    const isRead = await residency.refresh(run);
    run.settle();
    if (!isRead || !isIdle(run)) return;
  }
  then();
}
