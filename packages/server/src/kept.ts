/** Keeps what people did besides operations on runs among the operations, where everybody looks for who did what. */
import type { Json } from '@corral/protocol/json';
import type { Door } from './door.ts';

export function keeper({ db, clock, random, settings }: Door) {
  return (operation: string, by: string, target: Json, reason: string, tenant: string | undefined, matched: readonly string[]): void => {
    const at = clock.now();
    const id = `op_${Buffer.from(random(6)).toString('hex')}`;
    const config = settings.inForce().version;
    const result = { id, at, by, operation, target, reason, dryRun: false, config, matched, receipts: [], refused: [] };
    db.durably(() =>
      db.run('INSERT INTO operations (id, tenant, at, result) VALUES (?, ?, ?, ?)', id, tenant ?? null, at, JSON.stringify(result)),
    );
  };
}
