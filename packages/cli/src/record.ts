/** Records what people do on a data folder without a host, as a host records operations. */
import type { Deed } from '@corral/server/operation-log';

/**
 * Records an act among the operations of a folder, in the name of the user of this machine. Must be called while the folder's
 * store is open: then no host has it, and the act is in the log when the store is closed.
 */
export async function recordHere(data: string, deed: Deed): Promise<void> {
  // Loaded on demand: most commands do not need the front door.
  const [{ Acts }, { machineUser }, { SqliteFront }, { realClock, realRandom }] = await Promise.all([
    import('@corral/server/operation-log'),
    import('@corral/server/people/machine-user'),
    import('@corral/store/front'),
    import('@corral/supervisor'),
  ]);
  const db = new SqliteFront(data, realRandom);
  try {
    new Acts(db, realClock, realRandom, () => db.archive.latest() ?? '').keep({ id: `user:${machineUser()}`, roles: [] }, deed);
  } finally {
    db.close();
  }
}
