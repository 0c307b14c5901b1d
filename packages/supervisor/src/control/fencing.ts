/**
 * Kills a run that another node holds: this node takes it by fence and ends it in one commit, and does not wait for the other one. From
 * then on the store refuses everything that the other node writes for it.
 */
import type { Broker } from '@corral/broker/broker';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Fenced } from '@corral/protocol/model/receipt';
import type { Clock } from '@corral/protocol/ports/machine';
import type { HeldElsewhere, Store } from '@corral/protocol/ports/store';
import type { RunLifecycle } from '../runs/lifecycle.ts';
import type { Residency } from '../runs/residency.ts';
import type { Run } from '../runs/run.ts';

export interface FencingOptions {
  readonly store: Pick<Store, 'run'>;
  readonly clock: Clock;
  readonly broker: Pick<Broker, 'settled'>;
  readonly residency: Residency;
  readonly lifecycle: Pick<RunLifecycle, 'endElsewhere'>;
}

/** A run that is to be killed: in memory, or taken from another node and ended already. */
export interface Found {
  readonly run: Run | undefined;
  readonly fenced?: Fenced;
}

export const isElsewhere = (error: unknown): boolean => error instanceof CorralError && error.code === 'CORRAL_RUN_HELD';

/**
 * Brings a run into memory that is to be killed; if another node holds it, ends it.
 * @throws CORRAL_JOURNAL_DAMAGED and others, if it cannot be read
 */
export async function toKill(options: FencingOptions, id: RunId, outcome: Outcome): Promise<Found> {
  const { residency, lifecycle, clock } = options;
  for (;;) {
    try {
      return { run: await residency.hold(id) };
    } catch (error) {
      if (!isElsewhere(error)) throw error;
    }
    const { run, from } = await lifecycle.endElsewhere(id, outcome);
    if (from !== undefined && run !== undefined) return { run, fenced: fencedAt(from, clock.now()) };
    // The other node has given it up or ended it, or another request has brought it here: it is looked for again.
  }
}

const fencedAt = ({ name, lease_ms }: HeldElsewhere, now: number): Fenced => ({
  node: name,
  ...(lease_ms === undefined ? {} : { until: now + lease_ms }),
});

/**
 * Resolves once the end of a run that was taken is durable. If the store refuses it, it is tried once more: another node may have taken the
 * run meanwhile, so that it is taken back.
 * @returns the node that it was taken from again, if it was alive
 * @throws CORRAL_RUN_STATE if it is not durable after that
 */
export async function mustHaveEnded(options: FencingOptions, id: RunId, outcome: Outcome): Promise<Fenced | undefined> {
  const { store, broker } = options;
  let fenced: Fenced | undefined;
  for (const isLast of [false, true]) {
    await broker.settled(id).catch(() => undefined);
    const stored = await store.run(id);
    if (stored === undefined || stored.status.lifecycle === 'ended') return fenced;
    if (isLast) break;
    // The fence ends it as it comes back.
    fenced = (await toKill(options, id, outcome)).fenced;
  }
  throw new CorralError('CORRAL_RUN_STATE', `The end of ${id} could not be written yet.`);
}

/**
 * Ends a run whose kill was refused here, since another node had taken it before.
 * @returns the node that it was taken from again, if it was alive
 * @throws CORRAL_RUN_UNKNOWN if it has ended otherwise meanwhile
 */
export async function takenBack(options: FencingOptions, id: RunId, outcome: Outcome): Promise<Fenced | undefined> {
  const { fenced } = await toKill(options, id, outcome);
  const again = await mustHaveEnded(options, id, outcome);
  const { kind } = (await options.store.run(id))?.status.outcome ?? {};
  if (kind === outcome.kind) return again ?? fenced;
  throw new CorralError('CORRAL_RUN_UNKNOWN', `${id} has ended by itself meanwhile.`);
}
