/**
 * Room to stop what fills the disk. A part of the space is kept back from ordinary work: a file that lies beside the database, and
 * with `max_bytes` some of its pages. When the rest is used up, what stops runs (kill, pause, cancel, revoke, quarantine, deny, an
 * end) and what makes space (erase, collect) may use it, and ordinary work is refused until there is space again and it is restored.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { MACHINE } from '@corral/protocol/limits';
import type { Commit } from '@corral/protocol/store';

/** The file that is deleted to make room. */
const RESERVE = 'corral.reserve';
/** Of what is free, at most this share is kept back. */
const SHARE = 8;
/** Says how large that is: a host that starts on a full disk finds neither the file nor the space to tell it by. */
const NOTED = 'corral.reserve.bytes';
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
      // With a crank that was denied something, it is as large as that.
      return event.control !== 'none' && (entry.effects === undefined || bytes <= STOP_BYTES);
    case 'approval':
      return event.verdict !== 'approve';
    default:
      return status.lifecycle === 'ended' && bytes <= STOP_BYTES;
  }
}

/** How large the database may become; left out, as large as the disk allows. */
export interface RoomOptions {
  readonly max_bytes?: number;
}

export class Room {
  readonly #db: DatabaseSync;
  readonly #folder: string;
  readonly #most: number | undefined;
  readonly #page_bytes: number;
  /** No more than this is kept back, however much is free. */
  readonly #cap: number;
  #size: number;
  /** How much is kept back by what was noted; 0 where nothing was yet. */
  #noted: number;
  readonly #tell: (full: boolean) => void;
  #released = false;
  #full = false;
  /** Something small was refused although the file system says that there is space, as under a quota: a write must prove it. */
  #doubted = false;

  /** @param tell when ordinary work is refused for want of space, or no longer is */
  constructor(db: DatabaseSync, folder: string, { max_bytes }: RoomOptions, tell: (full: boolean) => void) {
    this.#db = db;
    this.#folder = folder;
    this.#tell = tell;
    this.#page_bytes = (db.prepare('PRAGMA page_size').get() as { page_size: number }).page_size;
    this.#most = max_bytes === undefined ? undefined : Math.max(1, Math.floor(max_bytes / this.#page_bytes));
    this.#cap = Math.min(MACHINE.reserve_bytes.default, this.#disk() / SHARE, (max_bytes ?? Infinity) / SHARE);
    this.#noted = notedIn(folder);
    this.#size = Math.floor(Math.min(this.#cap, Math.max(this.#noted, this.#kept) || this.#free() / SHARE));
    // The host before used it up, and there is no space to keep back as much.
    if (this.#isMissed()) this.#use();
    this.#bound(!this.#released);
  }

  /** Ordinary work is refused, or soon will be. */
  get full(): boolean {
    return this.#full;
  }

  /** What is kept back is in use. */
  get released(): boolean {
    return this.#released;
  }

  /** Makes the file where it is not there yet, or is smaller than it may be by now, and there is space for it. */
  prepare(): void {
    if (this.#released) return this.look();
    this.#grow();
    // Somebody else needed what was kept back, and there is no space to do it again.
    if (this.#isMissed()) this.#use();
    else if (this.#isWhole) this.#note();
    else if (this.#free() >= this.#size * 2) this.#make();
    this.look();
  }

  /** More space is free than when it was laid down how much is kept back; a little more is not worth the writing. */
  #grow(): void {
    const wanted = Math.floor(Math.min(this.#cap, (this.#free() + this.#kept) / SHARE));
    if (wanted < this.#size * 2 && (wanted <= this.#size || wanted < Math.floor(this.#cap))) return;
    this.#size = wanted;
    this.#bound(true);
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
    this.#use();
    const freed = freeReserve(this.#folder);
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

  /** What was kept back is for stopping runs from now on, and for nothing else. */
  #use(): void {
    if (!this.#released) this.#bound(false);
    this.#released = true;
    this.#say(true);
  }

  get #isWhole(): boolean {
    return this.#most !== undefined || this.#kept >= this.#size;
  }

  /** As much was kept back once, and cannot be now. */
  #isMissed(): boolean {
    return this.#noted > 0 && !this.#isWhole && this.#free() < this.#size * 2;
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
    return this.#space('bavail');
  }

  /** How large the disk is as a whole: a folder may have been moved to a smaller one. */
  #disk(): number {
    return this.#space('blocks');
  }

  #space(of: 'bavail' | 'blocks'): number {
    try {
      const found = statfsSync(this.#folder);
      return found[of] * found.bsize;
    } catch {
      return Number.MAX_SAFE_INTEGER;
    }
  }

  /** How much is kept back in the file now. */
  get #kept(): number {
    return statSync(join(this.#folder, RESERVE), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** @returns whether it is noted how much is kept back: not where there is no space for that */
  #note(): boolean {
    if (this.#noted === this.#size) return true;
    if (!this.#written(join(this.#folder, NOTED), [Buffer.from(String(this.#size))])) return false;
    this.#noted = this.#size;
    return true;
  }

  #ordinary(): number {
    return Math.max(1, (this.#most ?? 0) - Math.ceil(this.#size / this.#page_bytes));
  }

  #bound(ordinary: boolean): void {
    if (this.#most !== undefined) this.#db.exec(`PRAGMA max_page_count = ${ordinary ? this.#ordinary() : this.#most}`);
  }

  #make(): boolean {
    return this.#note() && this.#written(join(this.#folder, RESERVE), this.#filled(this.#size));
  }

  #canWrite(): boolean {
    const path = join(this.#folder, `${RESERVE}.look`);
    const written = this.#written(path, this.#filled(CHUNK_BYTES));
    rmSync(path, { force: true });
    return written;
  }

  /** Blocks that hold something: those of a file of zeros need not exist. */
  *#filled(bytes: number): Generator<Buffer> {
    const chunk = randomFillSync(Buffer.allocUnsafe(CHUNK_BYTES));
    for (let done = 0; done < bytes; done += chunk.length) yield chunk.subarray(0, bytes - done);
  }

  #written(path: string, chunks: Iterable<Buffer>): boolean {
    const half = `${path}.new`;
    try {
      const file = openSync(half, 'w', 0o600);
      try {
        // A disk that fills up takes a part of what it is given, and says so only by how much.
        for (const chunk of chunks) if (writeSync(file, chunk) < chunk.length) throw new Error('no space');
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

function notedIn(folder: string): number {
  try {
    return Number(readFileSync(join(folder, NOTED), 'utf8')) || 0;
  } catch {
    return 0;
  }
}
