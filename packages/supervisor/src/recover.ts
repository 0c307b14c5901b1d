/** Takes up the runs that were in memory when the last host on a store ended, by a stop or a crash. Parked runs stay parked. */
import type { RunId } from '@corral/protocol/ids';
import type { Store } from '@corral/protocol/ports/store';
import type { Residency } from './runs/residency.ts';
import type { Revival } from './runs/revival.ts';

/** Runs that are brought back at once. */
const AT_ONCE = 16;

export async function recover(store: Store, residency: Residency, revival: Revival): Promise<void> {
  residency.listen();
  for (let after: RunId | undefined; ;) {
    const found = await store.resident(after, AT_ONCE);
    after = found.at(-1);
    if (after === undefined) return;
    // A run that cannot be brought back is quarantined or tried again; the others go on.
    await Promise.all(found.map((id) => residency.hold(id).catch((error) => revival.retry(id, error))));
  }
}
