/**
 * The log of changes of quarantines, services and revocations. A change gets its version in its own transaction, so one question tells a
 * node what others have decided. Old changes are dropped; a node that is too far behind reads the tables themselves.
 */
import type { GrantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Changes } from '@corral/protocol/ports/store';
import type { ChangeKind, RegistryRows } from './engine.ts';

export const noteChange = (registry: RegistryRows, kind: ChangeKind, id?: GrantId): void =>
  registry.change(kind, id, MACHINE.registry_changes.default);

export function changesSince(registry: RegistryRows, version: number | undefined): Changes {
  const { first, last } = registry.versions() ?? { first: 1, last: 0 };
  // A later version than the last is one of another store, from which this one was copied earlier.
  if (version === undefined || version < first - 1 || version > last)
    return { version: last, quarantines: true, services: true, revoked: undefined };
  const found = registry.changes(version);
  const has = (wanted: ChangeKind) => found.some(({ kind }) => kind === wanted);
  const revoked = found.flatMap(({ kind, id }) => (kind === 'revoked' && id !== null ? [id as GrantId] : []));
  return { version: last, quarantines: has('quarantines'), services: has('services'), revoked };
}
