/** Records what people do on a data folder without a host, as a host records operations. */
import { userInfo } from 'node:os';
import { realClock, realRandom } from '@corral/supervisor';
import type { Deed } from '@corral/server/operation-log';

/**
 * Records an act among the operations of a folder, in the name of the user of this machine. Must be called while the folder's
 * store is open: then no host has it, and the act is in the log when the store is closed.
 */
export async function recordHere(data: string, deed: Deed): Promise<void> {
  // Loaded on demand: most commands do not need the front door.
  const [{ Acts }, { FrontStore }] = await Promise.all([import('@corral/server/operation-log'), import('@corral/server/tables/front')]);
  const db = new FrontStore(data);
  try {
    const last = db.get<{ version: string }>('SELECT version FROM configs ORDER BY n DESC LIMIT 1');
    new Acts(db, realClock, realRandom, () => last?.version ?? '').keep({ id: `user:${userInfo().username}`, roles: [] }, deed);
  } finally {
    db.close();
  }
}
