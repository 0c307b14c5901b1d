/** Dry runs of changes to the front door's tables: the change is made, and taken back before anybody can see it. */
import type { FrontStore } from '@corral/protocol/ports/front';

class Undone extends Error {}

/** Gives what `work` would return. It may change tables alone: whatever else it does stays done. @throws what it throws */
export function tried<T>(db: Pick<FrontStore, 'durably'>, work: () => T): T {
  let value: { readonly of: T } | undefined;
  try {
    db.durably(() => {
      value = { of: work() };
      throw new Undone();
    });
  } catch (error) {
    if (!(error instanceof Undone)) throw error;
  }
  return (value as { readonly of: T }).of;
}
