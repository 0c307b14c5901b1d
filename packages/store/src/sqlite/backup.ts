/**
 * Copies of a whole data folder. A backup is a folder with every database as of one moment and a manifest, which is written last:
 * without one, or with a digest that does not match, a folder is not a backup. Keys are not in it, so a backup alone cannot be
 * read. Databases are copied without looking at their tables, so a table that is added later is copied too.
 */
import { createHash, hash } from 'node:crypto';
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
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import type { Digest } from '@corral/protocol/ids';
import { canonical } from '@corral/protocol/json';
import type { BackupFile, BackupManifest } from '@corral/protocol/ports/evidence';
import { syncFolder, writeDurably } from '../core/keys.ts';
import { explain, IGNORING } from './open.ts';

/** The store of runs. */
const RUNS = 'corral.db';
/** The front door's tables; a folder that only embedded hosts have used has no such file. */
const FRONT = 'front.db';
/** The memories of agents; there once an agent has written to one. */
const MEMORY = 'memory.db';
const MANIFEST = 'backup.json';
/** Suffix of a file that is not complete yet. */
const PART = '.part';
/** Names of files that an unfinished backup or restore leaves behind. */
const HALF = /^(?:(?:corral|front|memory)\.db(?:\.raw)?\.part(?:-wal|-shm|-journal)?|backup\.json\.new)$/;
const CHUNK_BYTES = 1024 * 1024;
/** Pages that are copied at a time. */
const PAGES = 4096;
/** How long a write of the front door may delay the backup's moment before it fails. */
const GATE_MS = 10_000;

/**
 * Copies the databases of a folder while hosts go on. All copies are of the same moment: the front door's tables are locked until
 * reading has begun on both databases (a few milliseconds), and each copy is made within its read transaction.
 * @throws CORRAL_FOLDER_NOT_EMPTY, CORRAL_DISK_FULL, CORRAL_DATA_UNUSABLE
 */
export async function backupTo(folder: string, to: string, at: number): Promise<BackupManifest> {
  return explained(to, async () => {
    emptyFolder(to);
    const moment = momentOf(folder);
    try {
      const files: BackupFile[] = [];
      for (const { name, db } of moment) files.push({ name, ...(await copied(db, join(to, name))) });
      const noted = moment[0]?.db.prepare("SELECT value FROM meta WHERE name = 'era'").get() as { value: string } | undefined;
      const era = Number(noted?.value ?? '0');
      const body = { format: 2 as const, era, at, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), files };
      for (const { name } of files) renameSync(join(to, name + PART), join(to, name));
      syncFolder(to);
      const manifest: BackupManifest = { ...body, digest: digestOf(body) };
      writeDurably(join(to, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
      return manifest;
    } catch (error) {
      for (const name of readdirSync(to)) if (HALF.test(name) || isDatabase(name)) rmSync(join(to, name), { force: true });
      throw error;
    } finally {
      for (const { db } of moment) db.close();
    }
  });
}

interface Source {
  readonly name: string;
  /** In a read transaction: this connection does not see later writes. */
  readonly db: DatabaseSync;
}

/** A connection to each database of a folder, all in read transactions of the same moment. */
function momentOf(folder: string): Source[] {
  const names = [RUNS, FRONT, MEMORY].filter((name) => existsSync(join(folder, name)));
  const gate = names.includes(FRONT) ? new DatabaseSync(join(folder, FRONT), { timeout: GATE_MS }) : undefined;
  const sources: Source[] = [];
  try {
    for (const name of names) sources.push({ name, db: new DatabaseSync(join(folder, name), { readOnly: true, timeout: GATE_MS }) });
    gate?.exec('BEGIN IMMEDIATE');
    for (const { db } of sources) {
      db.exec('BEGIN');
      // A transaction begins with its first read.
      db.prepare('SELECT count(*) FROM sqlite_schema').get();
    }
    return sources;
  } catch (error) {
    for (const { db } of sources) db.close();
    throw error;
  } finally {
    if (gate?.isTransaction === true) gate.exec('ROLLBACK');
    gate?.close();
  }
}

/** Writes the database that a connection sees to `path` with suffix PART, without free pages. */
async function copied(db: DatabaseSync, path: string): Promise<{ digest: Digest; bytes: number }> {
  const raw = `${path}.raw${PART}`;
  await backup(db, raw, { rate: PAGES });
  const copy = new DatabaseSync(raw);
  try {
    copy.prepare('VACUUM INTO ?').run(path + PART);
  } finally {
    copy.close();
  }
  for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(raw + ending, { force: true });
  return settle(path + PART);
}

/**
 * Makes a data folder from a backup. The new store has a new era, and every run that had not ended is marked as restored, because
 * it may have gone on elsewhere since the backup. The front door compares the era, and therefore builds its index of runs again
 * when it opens the folder.
 * @param keys a key file to copy into the folder; undefined: the keys are elsewhere, or come later
 * @throws CORRAL_FOLDER_NOT_EMPTY, CORRAL_BACKUP_INVALID, CORRAL_DISK_FULL, CORRAL_DATA_UNUSABLE
 */
export function restore(from: string, folder: string, keys?: string): Restored {
  try {
    const manifest = readManifest(from);
    emptyFolder(folder);
    // Files have other names until all are complete, so that no host opens an incomplete folder.
    for (const { name, digest } of manifest.files) {
      copyFileSync(join(from, name), join(folder, name + PART));
      if (settle(join(folder, name + PART)).digest !== digest)
        throw new CorralError('CORRAL_BACKUP_INVALID', `${name} in ${from} is not the database that the manifest describes.`);
    }
    const db = new DatabaseSync(join(folder, RUNS + PART));
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
    // The store of runs last: without that file there is nothing to open.
    for (const { name } of manifest.files.toReversed()) renameSync(join(folder, name + PART), join(folder, name));
    syncFolder(folder);
    return { manifest, era, held };
  } catch (error) {
    throw explain(folder, error);
  }
}

export interface Restored {
  readonly manifest: BackupManifest;
  readonly era: number;
  /** Runs that had not ended. */
  readonly held: number;
}

/** @throws CORRAL_BACKUP_INVALID */
export function readManifest(from: string): BackupManifest {
  const invalid = (what: string, cause?: unknown) => new CorralError('CORRAL_BACKUP_INVALID', what, cause === undefined ? {} : { cause });
  let manifest: BackupManifest;
  try {
    manifest = parsed(JSON.parse(readFileSync(join(from, MANIFEST), 'utf8')) as Written);
  } catch (error) {
    throw invalid(`${from} has no complete backup: its manifest cannot be read.`, error);
  }
  const { digest, ...body } = manifest;
  if (!Number.isSafeInteger(body.era) || digest !== digestOf(body))
    throw invalid(`The manifest in ${from} was changed after it was written.`);
  for (const { name, bytes } of body.files) {
    const path = join(from, name);
    if (!existsSync(path) || statSync(path).size !== bytes)
      throw invalid(`${name} in ${from} does not have the ${bytes} bytes that the manifest says.`);
  }
  return manifest;
}

/** A manifest as stored. Format 1 had only the store of runs, and its digest was that of the database. */
type Written =
  | BackupManifest
  | { readonly format: 1; readonly era: number; readonly at: number; readonly bytes: number; readonly digest: Digest };

/** @throws Error if it is not a manifest of a known format */
function parsed(written: Written): BackupManifest {
  if (written.format === 2 && written.files.some(({ name }) => name === RUNS) && written.files.every(({ name }) => isDatabase(name)))
    return written;
  if (written.format !== 1) throw new Error('The manifest has a format that this Corral does not know.');
  const { era, at, bytes, digest } = written;
  const body = { format: 2 as const, era, at, bytes, files: [{ name: RUNS, bytes, digest }] };
  return { ...body, digest: digestOf(body) };
}

const isDatabase = (name: string): boolean => name === RUNS || name === FRONT || name === MEMORY;
const digestOf = (body: Omit<BackupManifest, 'digest'>): Digest => `sha256:${hash('sha256', canonical(body))}` as Digest;

/** Makes an empty folder, or uses one; files of an unfinished backup or restore in it are deleted. */
function emptyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const names = readdirSync(folder);
  if (!names.every((name) => HALF.test(name) || name === IGNORING))
    throw new CorralError('CORRAL_FOLDER_NOT_EMPTY', `The folder ${folder} is not empty.`);
  for (const name of names) if (name !== IGNORING) rmSync(join(folder, name), { force: true });
}

/** Syncs a file to the disk, and gives its digest and size. */
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

async function explained<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(folder, error);
  }
}
