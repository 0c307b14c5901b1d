/**
 * Frames between supervisor and cell: a fixed binary header, then a payload. Length, kind, incarnation and assignment are in the header,
 * so that a frame can be refused before any of its payload is buffered (ARCHITECTURE.md, "Crank and frame"). A payload that the cell does
 * not need to understand (a delivery, a batch of effects) is text that only its reader parses.
 *
 * This file is imported by cells, so it imports no libraries.
 */
import type { DifferenceKind } from './difference.ts';
import { CorralError } from '../errors.ts';

/** Bytes of a header: length u32, kind u8, 3 spare, incarnation u32, assignment u32, crank u32, cpu_us u32, heap_kib u32. */
export const FRAME_HEADER_BYTES = 28;

export const FrameKind = {
  // supervisor → cell
  hello: 1, // payload HelloPayload
  bundle: 2, // payload: digest, newline, source
  start: 3, // payload StartPayload: make an isolate for a run and load its bundle, or give it the one that was made in advance
  crank: 4, // payload: the delivery as JSON; cpu_us: what the crank may use
  replay: 5, // payload ReplayPayload: deliveries with the effects to expect
  drop: 6, // dispose of the isolate
  describe: 7, // payload StartPayload: load a bundle, answer with its manifests, keep nothing
  program: 8, // payload: name, newline, source of a program that an agent made
  spare: 9, // payload SparePayload: make an isolate in advance, for a run that is not known yet
  // cell → supervisor
  ready: 32, // payload ReadyPayload
  cranked: 33, // payload: the effects as JSON
  replayed: 34, // up to and including `crank`
  fault: 35, // payload FaultPayload: the run's isolate is gone
  described: 36, // payload: the manifests as JSON
  spared: 37, // heap_kib: size of the isolate that was made in advance; 0: it could not be made
  loaded: 38, // a bundle was loaded after `start`; cpu_us: what that took. The limit of the crank begins here
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** The header of a frame. Numbers that a kind does not use are 0. */
/** A replayed crank may take this many times its recorded CPU time. */
export const REPLAY_FACTOR = 4;

export interface FrameHead {
  readonly kind: FrameKind;
  /** The start of the cell process that the frame belongs to; a frame of another incarnation is dropped. */
  readonly incarnation: number;
  /** The stay of a run in this cell; a frame of an ended assignment is dropped. */
  readonly assignment: number;
  readonly crank: number;
  readonly cpu_us: number;
  readonly heap_kib: number;
}

export interface Frame extends FrameHead {
  readonly payload: string;
}

export interface HelloPayload {
  readonly effects_per_crank: number;
  readonly effects_bytes: number;
}

/**
 * Bundles that a cell keeps. Both sides drop the one that was sent first, so that the supervisor knows which ones the cell has.
 */
export const BUNDLES_PER_CELL = 32;

/** The facts by which an isolate is made, whichever run it is for. */
export interface SparePayload {
  readonly bundle: string;
  readonly memory_mib: number;
  readonly message_bytes: number;
  /** Absent for runs that were admitted before models had a bound of their own. */
  readonly model_request_bytes?: number | undefined;
  readonly log_bytes: number;
  /** CPU time that loading may take. Microseconds. */
  readonly load_cpu_us: number;
}

export interface StartPayload extends SparePayload {
  /** Name of the agent within the bundle. */
  readonly agent: string;
  /** The time that code outside of any delivery sees: that of the run's admission. */
  readonly at: number;
  /** 32 bytes as hex: the only source of randomness in the isolate. */
  readonly seed: string;
}

export interface ReplayPayload {
  /** `cpu_us`: CPU time of the crank as recorded. */
  readonly cranks: readonly { readonly crank: number; readonly delivery: string; readonly effects: string; readonly cpu_us: number }[];
}

export interface ReadyPayload {
  readonly pid: number;
  readonly node: string;
  readonly v8: string;
  readonly icu: string;
}

/**
 * Why an isolate ended: its bundle did not load, or used up its time for that; a crank used up its time; it reached its memory limit; a rejected promise was
 * not handled; it made too many effects, or logged too much; replay differed from the journal.
 */
export type FaultKind = 'load' | 'load_timeout' | 'timeout' | 'memory' | 'rejected' | 'too_many' | 'log_bytes' | 'diverged';

export interface FaultPayload {
  readonly fault: FaultKind;
  readonly message: string;
  readonly stack?: string;
  /**
   * For a divergence: the crank, which of its effects (from 0), how it differs, the recorded effect, and the one that was made.
   */
  readonly crank?: number;
  readonly index?: number;
  readonly kind?: DifferenceKind;
  readonly expected?: string;
  readonly seen?: string;
}

const MAX_U32 = 0xffff_ffff;
const u32 = (value: number) => (value < 0 ? 0 : value > MAX_U32 ? MAX_U32 : Math.round(value));

/** Encodes one frame into one buffer. */
export function encodeFrame(head: FrameHead, payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  const buffer = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  buffer.writeUInt32LE(length, 0);
  buffer.writeUInt32LE(head.kind, 4);
  buffer.writeUInt32LE(u32(head.incarnation), 8);
  buffer.writeUInt32LE(u32(head.assignment), 12);
  buffer.writeUInt32LE(u32(head.crank), 16);
  buffer.writeUInt32LE(u32(head.cpu_us), 20);
  buffer.writeUInt32LE(u32(head.heap_kib), 24);
  buffer.write(payload, FRAME_HEADER_BYTES, 'utf8');
  return buffer;
}

export interface FrameReaderOptions {
  /** Longest payload of each accepted kind; other kinds are refused. */
  readonly accept: Readonly<Partial<Record<FrameKind, number>>>;
  /** Refuses a frame by its header and length, by throwing. */
  readonly check?: (head: FrameHead, length: number) => void;
}

/**
 * Cuts a stream of bytes into frames. Buffers at most one payload, after its length was accepted.
 * @throws CorralError CORRAL_FRAME_INVALID from `push`; the stream is then out of step and must be closed
 */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #head: FrameHead | undefined;
  #length = 0;
  /** Allocated only for a payload that arrives in pieces. */
  #payload: Buffer | undefined;
  #payloadFill = 0;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** Takes the next bytes and calls `onFrame` for each frame they complete. `bytes` may be reused afterwards. */
  push(bytes: Buffer, onFrame: (frame: Frame) => void): void {
    let offset = 0;
    for (;;) {
      if (this.#head === undefined) {
        const available = bytes.length - offset;
        if (this.#headerFill === 0 && available >= FRAME_HEADER_BYTES) {
          this.#open(bytes, offset);
          offset += FRAME_HEADER_BYTES;
        } else {
          if (available === 0) return;
          const take = Math.min(FRAME_HEADER_BYTES - this.#headerFill, available);
          bytes.copy(this.#header, this.#headerFill, offset, offset + take);
          this.#headerFill += take;
          offset += take;
          if (this.#headerFill < FRAME_HEADER_BYTES) return;
          this.#open(this.#header, 0);
        }
      }
      const head = this.#head as unknown as FrameHead;
      const length = this.#length;
      const available = bytes.length - offset;
      let text: string;
      if (this.#payload === undefined && available >= length) {
        text = bytes.toString('utf8', offset, offset + length);
        offset += length;
      } else {
        this.#payload ??= Buffer.allocUnsafe(length);
        const take = Math.min(length - this.#payloadFill, available);
        bytes.copy(this.#payload, this.#payloadFill, offset, offset + take);
        this.#payloadFill += take;
        offset += take;
        if (this.#payloadFill < length) return;
        text = this.#payload.toString('utf8');
      }
      this.#head = undefined;
      this.#payload = undefined;
      this.#payloadFill = 0;
      onFrame({ ...head, payload: text });
    }
  }

  /** Parses and checks a header, before space for its payload is allocated. */
  #open(bytes: Buffer, at: number): void {
    const length = bytes.readUInt32LE(at);
    const kind = bytes.readUInt32LE(at + 4) as FrameKind;
    const longest = this.#options.accept[kind];
    if (longest === undefined) throw new CorralError('CORRAL_FRAME_INVALID', `A frame of unknown kind ${kind} arrived.`);
    if (length > longest) {
      throw new CorralError('CORRAL_FRAME_INVALID', `A frame of kind ${kind} announces ${length} bytes; at most ${longest} are accepted.`);
    }
    const head: FrameHead = {
      kind,
      incarnation: bytes.readUInt32LE(at + 8),
      assignment: bytes.readUInt32LE(at + 12),
      crank: bytes.readUInt32LE(at + 16),
      cpu_us: bytes.readUInt32LE(at + 20),
      heap_kib: bytes.readUInt32LE(at + 24),
    };
    this.#options.check?.(head, length);
    this.#head = head;
    this.#length = length;
    this.#headerFill = 0;
  }
}
