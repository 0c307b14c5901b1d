/** Stores in folders of their own, for the conformance suites. */
import { join } from 'node:path';
import type { Store } from '@corral/protocol/ports/store';
import { temporary } from '../world.ts';
import type { Kind } from './stores.ts';

/** @returns what opens the same store each time it is called */
export async function openerOf(kind: Kind): Promise<() => Promise<Store>> {
  const folder = join(await temporary(), 'data');
  return () => kind.open(folder);
}
