/**
 * Copies of a whole data folder. A backup is a folder with the database as of one moment and, written last, a manifest: without
 * one, or with a digest that does not fit, it is not a backup. Keys are not in it, so that whoever holds only the backup reads
 * nothing.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import type { Digest } from '@corral/protocol/ids';
import type { BackupManifest } from '@corral/protocol/store';
import { syncFolder, writeDurably } from './keys.ts';
import { explain } from './open.ts';
import type { Sql } from './sql.ts';

const DATABASE = 'corral.db';
const MANIFEST = 'backup.json';
const CHUNK_BYTES = 1024 * 1024;

/** @throws CORRAL_FOLDER_NOT_EMPTY, CORRAL_DISK_FULL, CORRAL_DATA_UNUSABLE */
export function backupTo(sql: Sql, to: string, at: number): BackupManifest {
  return explained(to, () => {
    emptyFolder(to);
    const copy = join(to, DATABASE);
    // Reads as of one moment while others write, and leaves out what was deleted.
    sql.run('VACUUM INTO ?', copy);
    const { digest, bytes } = settle(copy);
    const era = eraOf(sql.get<{ value: string }>("SELECT value FROM meta WHERE name = 'era'"));
    const manifest: BackupManifest = { format: 1, era, at, bytes, digest };
    writeDurably(join(to, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    return manifest;
  });
}

/**
 * Makes a data folder of a backup. The new store is another era, and every run that had not ended is marked as restored: since
 * the backup it may have gone on elsewhere.
 * @param keys a key file to put beside it; undefined: the keys are elsewhere, or come later
 * @throws CORRAL_FOLDER_NOT_EMPTY, CORRAL_BACKUP_INVALID, CORRAL_DISK_FULL, CORRAL_DATA_UNUSABLE
 */
export function restore(from: string, folder: string, keys?: string): { manifest: BackupManifest; era: number; held: number } {
  return explained(folder, () => {
    const manifest = readManifest(from);
    emptyFolder(folder);
    // Under another name until it is whole, so that nothing opens half of it.
    const half = join(folder, `${DATABASE}.new`);
    copyFileSync(join(from, DATABASE), half);
    const { digest } = settle(half);
    if (digest !== manifest.digest)
      throw new CorralError('CORRAL_BACKUP_INVALID', `The database in ${from} is not the one its manifest describes.`);
    const db = new DatabaseSync(half);
    let held: number;
    const era = manifest.era + 1;
    try {
      db.exec('PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
      db.prepare("UPDATE meta SET value = ? WHERE name = 'era'").run(String(era));
      held = Number(db.prepare("UPDATE runs SET restored = 1 WHERE lifecycle <> 'ended'").run().changes);
      db.exec('COMMIT');
    } finally {
      db.close();
    }
    if (keys !== undefined) writeDurably(join(folder, 'keys.json'), readFileSync(keys));
    renameSync(half, join(folder, DATABASE));
    syncFolder(folder);
    return { manifest, era, held };
  });
}

/** @throws CORRAL_BACKUP_INVALID */
export function readManifest(from: string): BackupManifest {
  let manifest: BackupManifest;
  try {
    manifest = JSON.parse(readFileSync(join(from, MANIFEST), 'utf8')) as BackupManifest;
  } catch (error) {
    throw new CorralError('CORRAL_BACKUP_INVALID', `There is no whole backup in ${from}: its manifest cannot be read.`, { cause: error });
  }
  const { format, era, bytes, digest } = manifest;
  if (format !== 1 || !Number.isSafeInteger(era) || typeof digest !== 'string')
    throw new CorralError('CORRAL_BACKUP_INVALID', `The manifest in ${from} is not one that this Corral knows.`);
  const path = join(from, DATABASE);
  if (!existsSync(path) || statSync(path).size !== bytes)
    throw new CorralError('CORRAL_BACKUP_INVALID', `The database in ${from} has not the ${bytes} bytes that its manifest says.`);
  return manifest;
}

function emptyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new CorralError('CORRAL_FOLDER_NOT_EMPTY', `The folder ${folder} is not empty.`);
}

/** Waits until a file is on the disk, and says what is in it. */
function settle(path: string): { digest: Digest; bytes: number } {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
    const digest = createHash('sha256');
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let bytes = 0;
    for (let read = readSync(file, chunk, 0, CHUNK_BYTES, 0); read > 0; read = readSync(file, chunk, 0, CHUNK_BYTES, bytes)) {
      digest.update(chunk.subarray(0, read));
      bytes += read;
    }
    return { digest: `sha256:${digest.digest('hex')}` as Digest, bytes };
  } finally {
    closeSync(file);
  }
}

const eraOf = (row: { value: string } | undefined): number => Number(row?.value ?? '0');

function explained<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(folder, error);
  }
}
