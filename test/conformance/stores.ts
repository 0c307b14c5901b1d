/** The stores that the conformance suites of the store run against, and that hosts in tests run on; a new one is added here. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Store } from '@corral/protocol/ports/store';
import { SqliteStore } from '@corral/store/sqlite';

export interface Kind {
  readonly name: string;
  /** Opens the store of a folder, and makes it if there is none. */
  readonly open: (folder: string) => Promise<Store>;
  /** Changes the bytes of all large payloads of a store that is closed, as a failing disk would. */
  readonly spoil: (folder: string) => void | Promise<void>;
}

const SQLITE: Kind = {
  name: 'sqlite',
  open: (folder) => SqliteStore.open(folder),
  spoil: (folder) => {
    const db = new DatabaseSync(join(folder, 'corral.db'));
    db.exec('UPDATE blobs SET data = zeroblob(length(data))');
    db.close();
  },
};

export const KINDS: readonly Kind[] = [SQLITE];

/** @throws Error if there is none of this name */
function kindOf(wanted: string): Kind {
  const kind = KINDS.find(({ name }) => name === wanted);
  if (kind === undefined) throw new Error(`CORRAL_TEST_STORE is ${wanted}; there are ${KINDS.map(({ name }) => name).join(', ')}.`);
  return kind;
}

/** The store of hosts in tests: CORRAL_TEST_STORE names one. */
export const STORE: Kind = kindOf(process.env['CORRAL_TEST_STORE'] ?? SQLITE.name);
