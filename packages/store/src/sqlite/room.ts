/**
 * Room to stop what fills the disk. A part of the space is kept back from ordinary work: a file that lies beside the database, and
 * with `max_bytes` some of its pages. When the rest is used up, what stops runs (kill, pause, cancel, revoke, quarantine, deny, an
 * end) and what makes space (erase, collect) may use it, and ordinary work is refused until there is space again and it is restored.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { MACHINE } from '@corral/protocol/limits';
import type { Commit } from '@corral/protocol/store';
import type { StoreOptions } from './open.ts';

/** The file that is deleted to make room. */
const RESERVE = 'corral.reserve';
/** Of what is free, at most this share is kept back. */
const SHARE = 8;
/** A commit that stops a run is small; a larger one is ordinary work however it ends. */
const STOP_BYTES = 64 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Removes the reserve of a folder, so that there is room; false where there is none. */
export function freeReserve(folder: string): boolean {
  try {
    unlinkSync(join(folder, RESERVE));
    return true;
  } catch {
    return false;
  }
}

/** Operations that stop runs, make space, or take a run's lease so that it can be stopped. */
const STOPS: ReadonlySet<string> = new Set([
  'revoke',
  'quarantine',
  'putQuarantine',
  'bury',
  'claim',
  'alive',
  'erase',
  'gcStep',
  'release',
  'retire',
  'nextEra',
]);

/** Whether an operation may use what is kept back. */
export function mayUseReserve(op: string, args: readonly unknown[], bytes: number): boolean {
  if (op !== 'commit') return STOPS.has(op);
  const { entry, status } = args[0] as Commit;
  const { event } = entry;
  switch (event?.kind) {
    case 'ended':
    case 'cancel':
    case 'fenced':
      return true;
    case 'control':
      return event.control !== 'none';
    case 'approval':
      return event.verdict !== 'approve';
    default:
      return status.lifecycle === 'ended' && bytes <= STOP_BYTES;
  }
}

export class Room {
  readonly #db: DatabaseSync;
  readonly #folder: string;
  readonly #most: number | undefined;
  readonly #page_bytes: number;
  readonly #size: number;
  readonly #tell: (full: boolean) => void;
  #released = false;
  #full = false;
  /** Something small was refused although the file system says that there is space, as under a quota: a write must prove it. */
  #doubted = false;

  /** @param tell when ordinary work is refused for want of space, or no longer is */
  constructor(db: DatabaseSync, folder: string, { max_bytes }: StoreOptions, tell: (full: boolean) => void) {
    this.#db = db;
    this.#folder = folder;
    this.#tell = tell;
    this.#page_bytes = (db.prepare('PRAGMA page_size').get() as { page_size: number }).page_size;
    this.#most = max_bytes === undefined ? undefined : Math.max(1, Math.floor(max_bytes / this.#page_bytes));
    const kept = statSync(join(folder, RESERVE), { throwIfNoEntry: false })?.size;
    this.#size = kept ?? Math.floor(Math.min(MACHINE.reserve_bytes.default, this.#free() / SHARE, (max_bytes ?? Infinity) / SHARE));
    this.#bound(true);
  }

  /** Ordinary work is refused, or soon will be. */
  get full(): boolean {
    return this.#full;
  }

  /** What is kept back is in use. */
  get released(): boolean {
    return this.#released;
  }

  /** Makes the file, where it is not there yet and there is space for it. */
  prepare(): void {
    if (this.#released || this.#most !== undefined) return this.look();
    if (statSync(join(this.#folder, RESERVE), { throwIfNoEntry: false }) === undefined && this.#free() >= this.#size * 2) this.#make();
    this.look();
  }

  /** Whether ordinary work is to be tried: not while the reserve is in use. Whoever asks then makes it look again. */
  admits(): boolean {
    if (this.#released) this.look();
    return !this.#released;
  }

  /** The disk had no space for something. @param bytes how large that was */
  refused(bytes: number): void {
    if (this.#left() < this.#size) return this.#say(true);
    if (bytes > STOP_BYTES) return;
    this.#doubted = true;
    this.#say(true);
  }

  /** Makes what is kept back usable. @returns whether that made any room */
  release(): boolean {
    const first = !this.#released;
    this.#released = true;
    if (first) this.#bound(false);
    const freed = freeReserve(this.#folder);
    this.#say(true);
    return freed || (first && this.#most !== undefined);
  }

  /** Looks how much there is, and restores what was kept back once there is space for it. */
  look(): void {
    if (this.#released) {
      const restored = this.#most === undefined ? this.#free() >= this.#size * 2 && this.#make() : this.#left() >= this.#size;
      if (!restored) return;
      this.#released = false;
      this.#doubted = false;
      this.#bound(true);
      return this.#say(false);
    }
    if (this.#doubted) {
      if (!this.#canWrite()) return;
      this.#doubted = false;
    }
    const left = this.#left();
    if (left < this.#size) this.#say(true);
    else if (left >= this.#size * 2) this.#say(false);
  }

  #say(full: boolean): void {
    if (this.#full === full) return;
    this.#full = full;
    this.#tell(full);
  }

  /** Bytes that ordinary work may still take. */
  #left(): number {
    const spare = (this.#db.prepare('PRAGMA freelist_count').get() as { freelist_count: number }).freelist_count * this.#page_bytes;
    const disk = this.#free() + spare;
    if (this.#most === undefined) return disk;
    const { page_count } = this.#db.prepare('PRAGMA page_count').get() as { page_count: number };
    return Math.min(disk, (this.#ordinary() - page_count) * this.#page_bytes + spare);
  }

  #free(): number {
    try {
      const { bavail, bsize } = statfsSync(this.#folder);
      return bavail * bsize;
    } catch {
      return Number.MAX_SAFE_INTEGER;
    }
  }

  #ordinary(): number {
    return Math.max(1, (this.#most ?? 0) - Math.ceil(this.#size / this.#page_bytes));
  }

  #bound(ordinary: boolean): void {
    if (this.#most !== undefined) this.#db.exec(`PRAGMA max_page_count = ${ordinary ? this.#ordinary() : this.#most}`);
  }

  /** Blocks that hold something: those of a file of zeros need not exist. */
  #make(): boolean {
    return this.#written(join(this.#folder, RESERVE), this.#size);
  }

  #canWrite(): boolean {
    const path = join(this.#folder, `${RESERVE}.look`);
    const written = this.#written(path, CHUNK_BYTES);
    rmSync(path, { force: true });
    return written;
  }

  #written(path: string, bytes: number): boolean {
    const half = `${path}.new`;
    const chunk = randomFillSync(Buffer.allocUnsafe(CHUNK_BYTES));
    try {
      const file = openSync(half, 'w', 0o600);
      try {
        for (let done = 0; done < bytes; done += chunk.length) writeSync(file, chunk, 0, Math.min(chunk.length, bytes - done));
      } finally {
        closeSync(file);
      }
      renameSync(half, path);
      return true;
    } catch {
      rmSync(half, { force: true });
      return false;
    }
  }
}
