/** Opens the databases of a data folder by a connection of their own, as somebody with the folder could. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Waits while the folder's host, which may still run, writes. */
export const databaseOf = (folder: string, name: 'corral.db' | 'front.db' | 'memory.db' = 'corral.db'): DatabaseSync =>
  new DatabaseSync(join(folder, name), { timeout: 10_000 });
