/** The stores that the conformance suites of the store run against; a new one is added here. */
import { join } from 'node:path';
import type { Store } from '@corral/protocol/ports/store';
import { SqliteStore } from '@corral/store/sqlite';
import { temporary } from '../world.ts';

export interface Kind {
  readonly name: string;
  /** Opens the same store each time it is called in one test. */
  readonly opener: () => Promise<() => Promise<Store>>;
}

export const KINDS: readonly Kind[] = [
  {
    name: 'sqlite',
    opener: async () => {
      const folder = join(await temporary(), 'data');
      return () => SqliteStore.open(folder);
    },
  },
];
