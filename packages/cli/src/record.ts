/** What people do to a data folder on which no host runs is on record as what they do at a host. */
import { userInfo } from 'node:os';
import { realClock, realRandom } from '@corral/supervisor';
import type { Deed } from '@corral/server/kept';

/**
 * Keeps an act among the operations of a folder, in the name of the user of this machine. Called with the folder's store open, so
 * that no host has it, and so that the act is in the log when the store is closed.
 */
export async function recordHere(data: string, deed: Deed): Promise<void> {
  // Loaded for who needs it: most commands have no front door.
  const [{ Acts }, { FrontStore }] = await Promise.all([import('@corral/server/kept'), import('@corral/server/store/front')]);
  const db = new FrontStore(data);
  try {
    const last = db.get<{ version: string }>('SELECT version FROM configs ORDER BY n DESC LIMIT 1');
    new Acts(db, realClock, realRandom, () => last?.version ?? '').keep({ id: `user:${userInfo().username}`, roles: [] }, deed);
  } finally {
    db.close();
  }
}
