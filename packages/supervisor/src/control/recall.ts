/**
 * Brings back parked runs that wait for something they asked for with a grant that is revoked. They are told when they come into memory; until
 * then people would be asked about a call that can never be made, and a request would wait for an answer that nobody may give.
 */
import { setImmediate } from 'node:timers/promises';
import type { SavedLedger } from '@corral/broker/ledger/snapshot';
import type { GrantId, RunId, TenantId } from '@corral/protocol/ids';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Store, StoredRun } from '@corral/protocol/ports/store';

export const ALL = '*';
/** Runs that are read at a time. */
const LOOK_RUNS = 16;

export interface Recalling {
  readonly isHere: (id: RunId) => boolean;
  readonly isClosed: () => boolean;
  readonly bringBack: (one: { readonly id: RunId; readonly tenant: TenantId }) => Promise<void>;
}

/** @param tenant `ALL`: of every tenant @returns whether the search ended early */
export async function recall(store: Store, tenant: TenantId | typeof ALL, { isHere, isClosed, bringBack }: Recalling): Promise<boolean> {
  const concerned = async (ids: readonly RunId[]): Promise<void> => {
    for (let i = 0; i < ids.length && !isClosed(); i += LOOK_RUNS) {
      const away = ids.slice(i, i + LOOK_RUNS).filter((id) => !isHere(id));
      const found = await Promise.all(away.map((id) => inVain(store, id, tenant)));
      for (const one of found) if (one !== undefined) await bringBack(one);
      // Ledgers are parsed here; cranks have their turn in between.
      await setImmediate();
    }
  };
  for (let after: RunId | undefined; !isClosed();) {
    const asking = await store.ids({
      ended: false,
      asking: true,
      limit: LOOK_RUNS,
      ...(tenant === ALL ? {} : { tenant }),
      ...(after === undefined ? {} : { after }),
    });
    after = asking.at(-1);
    if (after === undefined) break;
    await concerned(asking);
  }
  await concerned(await store.parkedOn('call'));
  return isClosed();
}

/** A parked run, if by its saved ledger something it waits for was asked for with a grant that is revoked. */
async function inVain(
  store: Store,
  id: RunId,
  tenant: TenantId | typeof ALL,
): Promise<{ readonly id: RunId; readonly tenant: TenantId } | undefined> {
  // A run that cannot be read is told when a person has seen to it.
  const stored: StoredRun | undefined = await store.run(id).catch(() => undefined);
  if (stored?.ledger === undefined || (tenant !== ALL && stored.record.tenant !== tenant)) return undefined;
  const { pending } = JSON.parse(stored.ledger) as SavedLedger;
  const asked = pending.flatMap((one) => ('grant' in one ? [one.grant] : []));
  if (asked.length === 0) return undefined;
  const grants = new Map((await store.grants(id)).map((grant) => [grant.id, grant]));
  return asked.some((grant) => isRevoked(grants, grant)) ? { id, tenant: stored.record.tenant } : undefined;
}

function isRevoked(grants: ReadonlyMap<GrantId, Grant & GrantState>, id: GrantId): boolean {
  for (let next: GrantId | undefined = id; next !== undefined;) {
    const grant = grants.get(next);
    if (grant === undefined) return false;
    if (grant.revoked) return true;
    next = grant.parent;
  }
  return false;
}
