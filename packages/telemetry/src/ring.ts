/**
 * A ring of slots between the thread that does the work of a host and the one that makes telemetry of it. One thread writes, one reads, and
 * neither ever waits: a record that does not fit is dropped and counted, because work must not stand still for being observed.
 */

/** A slot: `WORDS` integers of 32 bits, then `NUMBERS` floating-point numbers. */
export const SLOT_BYTES = 88;
export const WORDS = 12;
export const NUMBERS = 5;
const HEADER_BYTES = 64;
/** Positions in the header. Counts of slots go on beyond the size of the ring, modulo 2^32. */
const [WRITTEN, READ, DROPPED] = [0, 1, 2];
/** One slot in this many is for records that others depend on. */
const RESERVED_SHARE = 16;

/** @param slots a power of two */
export function ringMemory(slots: number): SharedArrayBuffer {
  if (!Number.isInteger(Math.log2(slots))) throw new RangeError(`A ring has a power of two of slots, not ${slots}.`);
  return new SharedArrayBuffer(HEADER_BYTES + slots * SLOT_BYTES);
}

/** The common part of both ends. */
class Ring {
  protected readonly header: Int32Array;
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
  readonly slots: number;
  protected readonly mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.slots = (memory.byteLength - HEADER_BYTES) / SLOT_BYTES;
    this.mask = this.slots - 1;
    this.header = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.words = new Int32Array(memory, HEADER_BYTES);
    this.numbers = new Float64Array(memory, HEADER_BYTES);
    this.bytes = new Uint8Array(memory, HEADER_BYTES);
  }

  /** Position in `words` of the slot with this count. In `numbers`, that of its first number is half of it, plus `WORDS / 2`. */
  protected at(count: number): number {
    return (count & this.mask) * (SLOT_BYTES / 4);
  }

  /** Records that did not fit. */
  get dropped(): number {
    return Atomics.load(this.header, DROPPED) >>> 0;
  }
}

export class RingWriter extends Ring {
  #written = 0;
  /** As last seen; the reader may be further by now. */
  #read = 0;

  /** Slots that are left free for records on which others depend. */
  get reserved(): number {
    return Math.floor(this.slots / RESERVED_SHARE);
  }

  /**
   * The positions in `words` of free slots in a row, which the caller fills before `publish`.
   * @param left slots that must stay free after that
   * @returns false if there is no room; the record counts as dropped
   */
  hasRoom(slots: number, left = 0): boolean {
    if (this.#fits(slots + left)) return true;
    this.#read = Atomics.load(this.header, READ);
    if (this.#fits(slots + left)) return true;
    this.drop(1);
    return false;
  }

  /** Counts records as dropped that were never written. */
  drop(records: number): void {
    Atomics.add(this.header, DROPPED, records);
  }

  #fits(slots: number): boolean {
    return ((this.#written - this.#read) | 0) + slots <= this.slots;
  }

  /** Position in `words` of the `n`th free slot. */
  free(n: number): number {
    return this.at(this.#written + n);
  }

  /** Hands over the next slots, which are filled. */
  publish(slots: number): void {
    this.#written = (this.#written + slots) | 0;
    Atomics.store(this.header, WRITTEN, this.#written);
  }

  /** Takes all back that waits, because its reader is gone; the next one begins after it. */
  clear(): void {
    this.drop((this.#written - Atomics.load(this.header, READ)) | 0);
    this.#read = this.#written;
    Atomics.store(this.header, READ, this.#written);
  }
}

export class RingReader extends Ring {
  #read: number;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    // A reader before this one may have read some.
    this.#read = Atomics.load(this.header, READ);
  }

  /** Slots that were written and not read. */
  get waiting(): number {
    return (Atomics.load(this.header, WRITTEN) - this.#read) | 0;
  }

  /** Position in `words` of the `n`th slot that waits. */
  next(n: number): number {
    return this.at(this.#read + n);
  }

  /** Gives slots back that were read. */
  release(slots: number): void {
    this.#read = (this.#read + slots) | 0;
    Atomics.store(this.header, READ, this.#read);
  }
}
