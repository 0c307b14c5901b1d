/** Keeps what was done besides operations on runs among the operations, where everybody looks for who did what. */
import { hash } from 'node:crypto';
import type { Json } from '@corral/protocol/json';
import type { Quarantine } from '@corral/protocol/store';
import type { Door } from './door.ts';
import type { FrontStore } from './store/front.ts';

interface Kept {
  readonly id: string;
  readonly at: number;
  readonly by: string;
  readonly operation: string;
  readonly target: Json;
  readonly reason: string;
  readonly config: string;
  readonly matched: readonly string[];
}

export function keeper({ db, clock, random, settings }: Pick<Door, 'db' | 'clock' | 'random' | 'settings'>) {
  return (operation: string, by: string, target: Json, reason: string, tenant: string | undefined, matched: readonly string[]): void => {
    const id = `op_${Buffer.from(random(6)).toString('hex')}`;
    write(db, tenant, { id, at: clock.now(), by, operation, target, reason, config: settings.inForce().version, matched });
  };
}

/**
 * Keeps a quarantine that policies put up. Its id is made from it, so that it is kept once however often a host that died is told.
 * @param matched the run that led to it, where that is known
 */
export function keepQuarantine(db: FrontStore, config: string, quarantine: Quarantine, matched: readonly string[]): void {
  const { kind, name, tenant, by, reason, at } = quarantine;
  const id = `op_${hash('sha256', JSON.stringify([kind, name, tenant ?? null, at])).slice(0, 12)}`;
  write(db, tenant, { id, at, by, operation: 'quarantine', target: { kind, name, tenant: tenant ?? '*' }, reason, config, matched });
}

function write(db: FrontStore, tenant: string | undefined, kept: Kept): void {
  const result = { ...kept, dryRun: false, receipts: [], refused: [] };
  db.durably(() =>
    db.run(
      'INSERT OR IGNORE INTO operations (id, tenant, at, result) VALUES (?, ?, ?, ?)',
      kept.id,
      tenant ?? null,
      kept.at,
      JSON.stringify(result),
    ),
  );
}
