/**
 * Keeps the configuration that a host last accepted, with all files it was made of. A host whose file is broken at the start uses
 * the kept one and reports that, so that a mistake in the file does not stop all runs.
 */
import { CorralError } from '@corral/protocol/errors';
import type { FrontStore } from '../tables/front.ts';
import type { LoadedConfig } from './load.ts';
import type { KeptFiles } from './read.ts';

/** Accepted versions that are kept. */
const KEPT = 20;

export function keepConfig(db: FrontStore, { version, file, kept }: LoadedConfig, at: number): void {
  if (file === undefined) return;
  db.durably(() => {
    db.run('DELETE FROM config_files WHERE version = ?', version);
    db.run('INSERT INTO config_files (version, file, kept, at) VALUES (?, ?, ?, ?)', version, file, JSON.stringify(kept), at);
    db.run('DELETE FROM config_files WHERE n NOT IN (SELECT n FROM config_files ORDER BY n DESC LIMIT ?)', KEPT);
  });
}

/** The texts of a file and its imports as the host last accepted them. */
export function keptConfig(db: FrontStore, file: string): KeptFiles | undefined {
  const row = db.get<{ kept: string }>('SELECT kept FROM config_files WHERE file = ? ORDER BY n DESC LIMIT 1', file);
  return row === undefined ? undefined : (JSON.parse(row.kept) as KeptFiles);
}

/** Whether a configuration was refused; any other error is a fault of the host. */
export const isRefusal = (error: unknown): error is CorralError =>
  error instanceof CorralError && (error.code === 'CORRAL_CONFIG_INVALID' || error.code === 'CORRAL_POLICY_INVALID');
