/** Ends the descendants of a run with it. Each end is awaited until it is durable, also if somebody else began it. */
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

/** Errors of a run that cannot be brought into memory; such a run is ended in the store. */
export const UNREADABLE: ReadonlySet<string> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_INTERNAL']);

/**
 * Cancels the children of a cancelled run, so that they can clean up too.
 * @returns receipts of the children that had neither ended nor been cancelled already; and those that another node holds, which are not
 * reached and end with the run
 */
export async function cancelChildren(
  run: Run,
  cancel: (child: RunId) => Promise<Receipt>,
): Promise<Pick<Receipt, 'children' | 'not_reached'>> {
  const children = [...run.ledger.pending.values()].flatMap((pending) => (pending.kind === 'child' ? [pending.run] : []));
  const not_reached: RunId[] = [];
  const receipts = await Promise.all(
    children.map((child) =>
      cancel(child).catch((error: unknown) => {
        if (error instanceof CorralError && error.code === 'CORRAL_RUN_HELD') return void not_reached.push(child);
        if (error instanceof CorralError && NOT_TO_CANCEL.has(error.code)) return undefined;
        throw error;
      }),
    ),
  );
  return {
    children: receipts.filter((receipt) => receipt !== undefined),
    ...(not_reached.length === 0 ? {} : { not_reached }),
  };
}

/** The child has ended, is being cancelled already, or cannot be read; in the last case the end of its parent ends it. */
const NOT_TO_CANCEL: ReadonlySet<string> = new Set(['CORRAL_RUN_UNKNOWN', 'CORRAL_RUN_STATE', 'CORRAL_JOURNAL_DAMAGED', 'CORRAL_INTERNAL']);

/**
 * Ends a child, or waits for its end if that has begun. Resolves once the end is durable.
 * @param spares whether a cancelled child keeps the rest of its grace, after which it ends, and a child that another node holds is left to
 * that node
 * @throws the error with which the store refused the end; CORRAL_JOURNAL_DAMAGED for a run that cannot be read
 */
export async function endChild({ store, broker, residency, control }: FamilyOptions, child: RunId, spares = false): Promise<void> {
  for (;;) {
    const underway = control.killing(child);
    if (underway !== undefined) return void (await underway);
    const run = await held(residency, child, spares);
    if (run === undefined) return;
    if (run !== ELSEWHERE && run.outcome !== undefined) break;
    if (spares && run !== ELSEWHERE && run.ledger.cancelled !== undefined) return;
    try {
      const record = run === ELSEWHERE ? (await store.run(child))?.record : run.ledger.record;
      await control.kill(child, `run:${record?.parent?.run ?? child}`, 'its parent ended');
      return;
    } catch (error) {
      // Another end has begun meanwhile.
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_RUN_UNKNOWN') throw error;
    }
  }
  await broker.settled(child);
  const stored = await store.run(child);
  if (stored === undefined || stored.status.lifecycle === 'ended') return;
  throw new CorralError('CORRAL_RUN_STATE', `The end of ${child} could not be written yet.`);
}

const ELSEWHERE = Symbol('another node holds it');

/** @param spares whether a child that another node holds is left to that node */
async function held(residency: Residency, child: RunId, spares: boolean): Promise<Run | typeof ELSEWHERE | undefined> {
  try {
    // Another lookup may have begun before the spawn was durable, and its result, that there is no such run, is shared. So ask a second
    // time.
    return (await residency.hold(child)) ?? (await residency.hold(child));
  } catch (error) {
    if (spares || !(error instanceof CorralError) || error.code !== 'CORRAL_RUN_HELD') throw error;
    return ELSEWHERE;
  }
}

/**
 * Ends the remaining descendants of a run that has ended: children whose spawn was not durable yet, children that were ending by
 * themselves, and descendants of children that had ended before.
 * @param kill ends a run that cannot be read
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
