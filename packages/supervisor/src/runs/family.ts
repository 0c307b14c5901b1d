/** How a run's descendants end with it: each kill or end is waited for until it is durable, whoever began it. */
import type { Broker } from '@corral/broker/broker';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { Store } from '@corral/protocol/ports/store';
import type { Residency } from './residency.ts';
import type { Run } from './run.ts';

export interface FamilyOptions {
  readonly store: Store;
  readonly broker: Broker;
  readonly residency: Residency;
  readonly control: { kill(id: RunId, by: string, reason: string): Promise<Receipt>; killing(id: RunId): Promise<Receipt> | undefined };
}

/** Why a run cannot be brought into memory; it is ended without that. */
export const UNREADABLE: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_INTERNAL']);

/**
 * Children are asked to stop as their parent was, so that they may tidy up as well.
 * @returns the receipts of those that had neither ended nor been asked already
 */
export async function cancelChildren(run: Run, cancel: (child: RunId) => Promise<Receipt>): Promise<readonly Receipt[]> {
  const children = [...run.ledger.pending.values()].flatMap((pending) => (pending.kind === 'child' ? [pending.run] : []));
  const receipts = await Promise.all(
    children.map((child) =>
      cancel(child).catch((error: unknown) => {
        if (error instanceof CorralError && NOT_TO_CANCEL.has(error.code)) return undefined;
        throw error;
      }),
    ),
  );
  return receipts.filter((receipt) => receipt !== undefined);
}

/** It has ended, is being cancelled already, or cannot be read: then the end of its parent ends it. */
const NOT_TO_CANCEL: ReadonlySet<string> = new Set(['CORRAL_RUN_UNKNOWN', 'CORRAL_RUN_STATE', 'CORRAL_JOURNAL_DAMAGED', 'CORRAL_INTERNAL']);

/**
 * Ends a child, or waits for an end of it that has begun. Resolves once that end is durable.
 * @param spares whether a child that was cancelled is left the rest of its grace, which ends it
 * @throws whatever the store refused the end for; CORRAL_JOURNAL_DAMAGED for a run that cannot be read
 */
export async function endChild({ store, broker, residency, control }: FamilyOptions, child: RunId, spares = false): Promise<void> {
  for (;;) {
    const underway = control.killing(child);
    if (underway !== undefined) return void (await underway);
    // Somebody may have asked for it while it was being born, and be told that it is not there; so it is asked for once more.
    const run = (await residency.hold(child)) ?? (await residency.hold(child));
    if (run === undefined) return;
    if (run.outcome !== undefined) break;
    if (spares && run.ledger.cancelled !== undefined) return;
    try {
      await control.kill(child, `run:${run.ledger.record.parent?.run ?? child}`, 'its parent ended');
      return;
    } catch (error) {
      // Another end of it has begun in the meantime.
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_RUN_UNKNOWN') throw error;
    }
  }
  await broker.settled(child);
  const stored = await store.run(child);
  if (stored === undefined || stored.status.lifecycle === 'ended') return;
  throw new CorralError('CORRAL_RUN_STATE', `The end of ${child} could not be written yet.`);
}

/**
 * Ends whatever is left below a run that has ended: children that were being born, or were ending by themselves, and those below
 * children that had ended before.
 * @param kill for a run that cannot be read
 */
export async function endDescendants(options: FamilyOptions, id: RunId, kill: (child: RunId) => Promise<Receipt>): Promise<void> {
  const end = async (child: RunId) => {
    try {
      await endChild(options, child);
    } catch (error) {
      if (!(error instanceof CorralError) || !UNREADABLE.has(error.code)) throw error;
      await kill(child);
    }
  };
  const { store } = options;
  for (let left = await store.descendants(id); left.length > 0; left = await store.descendants(id)) await Promise.all(left.map(end));
}
