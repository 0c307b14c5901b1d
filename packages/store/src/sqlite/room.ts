/**
 * Reserved disk space for stopping what fills the disk. A part of the space is withheld from ordinary work: a file in the data
 * folder, and with `max_bytes` some pages of the database. When the rest is used up, operations that stop runs (kill, pause,
 * cancel, revoke, quarantine, deny, an end) or free space (erase, collect) may use the reserve, and ordinary work is refused
 * until the reserve can be restored.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { MACHINE } from '@corral/protocol/limits';
import type { Commit } from '@corral/protocol/ports/store';

/** The file that is deleted to free space. */
const RESERVE = 'corral.reserve';
/** The reserve is at most this fraction of the free space (1/8). */
const SHARE = 8;
/**
 * The file that records the reserve's size: a host that starts on a full disk finds neither the reserve nor the free space to
 * compute it from.
 */
const NOTED = 'corral.reserve.bytes';
/** A commit that stops a run is small; a larger commit counts as ordinary work, however it ends. */
const STOP_BYTES = 64 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Deletes the reserve of a folder, which frees space; false if there is none. */
export function freeReserve(folder: string): boolean {
  try {
    unlinkSync(join(folder, RESERVE));
    return true;
  } catch {
    return false;
  }
}

/** Operations that stop runs, free space, or take a run's lease so that it can be stopped. */
const STOPS: ReadonlySet<string> = new Set([
  'revoke',
  'quarantine',
  'putQuarantine',
  'bury',
  'claim',
  'take',
  'join',
  'beat',
  'leave',
  'erase',
  'gcStep',
  'release',
  'retire',
  'nextEra',
]);

/** Whether an operation may use the reserve. */
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
      // With a crank in the same entry, the commit can be large.
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
  /** Largest reserve, however much space is free. */
  readonly #cap: number;
  #size: number;
  /** Size of the reserve as recorded; 0: not recorded yet. */
  #noted: number;
  readonly #tell: (full: boolean) => void;
  #released = false;
  #full = false;
  /**
   * A small write was refused although the file system reports free space, as with a quota: only a successful write shows that
   * there is space.
   */
  #doubted = false;

  /** @param tell called when ordinary work starts to be refused for lack of space, and when it is accepted again */
  constructor(db: DatabaseSync, folder: string, { max_bytes }: RoomOptions, tell: (full: boolean) => void) {
    this.#db = db;
    this.#folder = folder;
    this.#tell = tell;
    this.#page_bytes = (db.prepare('PRAGMA page_size').get() as { page_size: number }).page_size;
    this.#most = max_bytes === undefined ? undefined : Math.max(1, Math.floor(max_bytes / this.#page_bytes));
    this.#cap = Math.min(MACHINE.reserve_bytes.default, this.#disk() / SHARE, (max_bytes ?? Infinity) / SHARE);
    this.#noted = notedIn(folder);
    this.#size = Math.floor(Math.min(this.#cap, Math.max(this.#noted, this.#kept) || this.#free() / SHARE));
    // The previous host used the reserve up, and there is no space to restore it.
    if (this.#isMissed()) this.#use();
    this.#bound(!this.#released);
  }

  /** Ordinary work is refused, or soon will be. */
  get full(): boolean {
    return this.#full;
  }

  /** The reserve is in use. */
  get released(): boolean {
    return this.#released;
  }

  /** Creates the reserve, or enlarges it, if there is space for that. */
  prepare(): void {
    if (this.#released) return this.look();
    this.#grow();
    // Another process used up the space, and the reserve cannot be restored.
    if (this.#isMissed()) this.#use();
    else if (this.#isWhole) this.#note();
    else if (this.#free() >= this.#size * 2) this.#make();
    this.look();
  }

  /** Enlarges the reserve if much more space is free than when its size was set; small changes are not worth a write. */
  #grow(): void {
    const wanted = Math.floor(Math.min(this.#cap, (this.#free() + this.#kept) / SHARE));
    if (wanted < this.#size * 2 && (wanted <= this.#size || wanted < Math.floor(this.#cap))) return;
    this.#size = wanted;
    this.#bound(true);
  }

  /**
   * Whether ordinary work should be tried: not while the reserve is in use. Each call checks whether the reserve can be restored.
   */
  admits(): boolean {
    if (this.#released) this.look();
    return !this.#released;
  }

  /** The disk had no space for a write. @param bytes size of the write */
  refused(bytes: number): void {
    if (this.#left() < this.#size) return this.#say(true);
    if (bytes > STOP_BYTES) return;
    this.#doubted = true;
    this.#say(true);
  }

  /** Frees the reserve. @returns whether that gave any space */
  release(): boolean {
    const first = !this.#released;
    this.#use();
    const freed = freeReserve(this.#folder);
    return freed || (first && this.#most !== undefined);
  }

  /** Measures the space, and restores the reserve once there is enough. */
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

  /** From now on the reserve is used, and only for stopping runs. */
  #use(): void {
    if (!this.#released) this.#bound(false);
    this.#released = true;
    this.#say(true);
  }

  get #isWhole(): boolean {
    return this.#most !== undefined || this.#kept >= this.#size;
  }

  /** Whether a reserve was recorded and cannot be restored now. */
  #isMissed(): boolean {
    return this.#noted > 0 && !this.#isWhole && this.#free() < this.#size * 2;
  }

  #say(full: boolean): void {
    if (this.#full === full) return;
    this.#full = full;
    this.#tell(full);
  }

  /** Bytes that ordinary work may still use. */
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

  /** Size of the disk: a folder may have been moved to a smaller one. */
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

  /** Present size of the reserve file. */
  get #kept(): number {
    return statSync(join(this.#folder, RESERVE), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** @returns whether the size of the reserve is recorded; false if there is no space for that */
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

  /** Random blocks: a file system may store a file of zeros without allocating blocks. */
  *#filled(bytes: number): Generator<Buffer> {
    const chunk = randomFillSync(Buffer.allocUnsafe(CHUNK_BYTES));
    for (let done = 0; done < bytes; done += chunk.length) yield chunk.subarray(0, bytes - done);
  }

  #written(path: string, chunks: Iterable<Buffer>): boolean {
    const half = `${path}.new`;
    try {
      const file = openSync(half, 'w', 0o600);
      try {
        // On a disk that fills up, a write stores only a part and reports that by its length alone.
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
