/**
 * Keeps the configuration that a host last accepted, with all files it was made of. A host whose file is broken at the start uses
 * the kept one and reports that, so that a mistake in the file does not stop all runs.
 */
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { LoadedConfig } from './load.ts';
import type { KeptFiles } from './read.ts';

/** Accepted versions that are kept. */
const KEPT = 20;

export function keepConfig(db: FrontStore, { version, file, kept }: LoadedConfig, at: number): void {
  if (file === undefined) return;
  db.archive.keepFiles(version, file, kept as unknown as Json, at, KEPT);
}

/** The texts of a file and its imports as the host last accepted them. */
export function keptConfig(db: FrontStore, file: string): KeptFiles | undefined {
  return db.archive.filesOf(file) as KeptFiles | undefined;
}

/** Whether a configuration was refused; any other error is a fault of the host. */
export const isRefusal = (error: unknown): error is CorralError =>
  error instanceof CorralError && (error.code === 'CORRAL_CONFIG_INVALID' || error.code === 'CORRAL_POLICY_INVALID');
