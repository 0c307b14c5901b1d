/**
 * The configuration that a host last accepted, with all that it was made of. A host whose file is broken when it starts goes on with that,
 * and says so, since a slip of the pen in a file must not keep everybody's runs from going on.
 */
import { CorralError } from '@corral/protocol/errors';
import type { FrontStore } from '../store/front.ts';
import type { LoadedConfig } from './load.ts';
import type { KeptFiles } from './read.ts';

/** Versions that are kept. */
const KEPT = 20;

export function keepConfig(db: FrontStore, { version, file, kept }: LoadedConfig, at: number): void {
  if (file === undefined) return;
  db.durably(() => {
    db.run('DELETE FROM config_files WHERE version = ?', version);
    db.run('INSERT INTO config_files (version, file, kept, at) VALUES (?, ?, ?, ?)', version, file, JSON.stringify(kept), at);
    db.run('DELETE FROM config_files WHERE n NOT IN (SELECT n FROM config_files ORDER BY n DESC LIMIT ?)', KEPT);
  });
}

/** What a file was when this host accepted it last. */
export function keptConfig(db: FrontStore, file: string): KeptFiles | undefined {
  const row = db.get<{ kept: string }>('SELECT kept FROM config_files WHERE file = ? ORDER BY n DESC LIMIT 1', file);
  return row === undefined ? undefined : (JSON.parse(row.kept) as KeptFiles);
}

/** Whether a configuration was refused, as opposed to a host that does not work. */
export const isRefusal = (error: unknown): error is CorralError =>
  error instanceof CorralError && (error.code === 'CORRAL_CONFIG_INVALID' || error.code === 'CORRAL_POLICY_INVALID');
