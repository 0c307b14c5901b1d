/** The frames to and from a cell's process. It is not trusted: a frame is checked by its header before the rest of it is buffered. */
import { CorralError } from '@corral/protocol/errors';
import { BUNDLES_PER_CELL, encodeFrame, FrameKind, FrameReader, type Frame, type FrameHead } from '@corral/protocol/wire/frame';
import type { CellId } from '@corral/protocol/ids';
import { ADMISSION, MACHINE } from '@corral/protocol/limits';

export interface BundleText {
  readonly digest: string;
  readonly source: string;
  /** It is a program that an agent made, and no bundle. */
  readonly isProgram?: boolean;
}

/** The name of a text in a cell. The digest of a program could be chosen to be that of a bundle, which is a digest of more than its source. */
export const textName = ({ digest, isProgram }: Omit<BundleText, 'source'>): string => (isProgram === true ? `program ${digest}` : digest);

export interface WireEnds {
  readonly write: (bytes: Buffer) => void;
  /** Checks that a frame was asked for. Called with the header, before the payload is read. @throws CORRAL_CELL_PROTOCOL */
  readonly check: (head: FrameHead) => void;
  readonly take: (frame: Frame) => void;
  /** The cell cannot go on. */
  readonly broken: (error: CorralError) => void;
}

/** Bytes of a manifest with its two schemas. */
export const LONGEST_MANIFEST = ADMISSION.manifest_bytes.default + 2 * ADMISSION.schema_bytes.default;
/** Maximum bytes of a fault report and of the handshake. */
const SMALL = 64 * 1024;

export class Wire {
  readonly #id: CellId;
  readonly #incarnation: number;
  readonly #ends: WireEnds;
  readonly #reader: FrameReader;
  /** Bundles that the process has, the one that is dropped first in front. */
  readonly #bundles = new Set<string>();
  #sent = 0;
  #written = 0;

  constructor(id: CellId, incarnation: number, ends: WireEnds) {
    this.#id = id;
    this.#incarnation = incarnation;
    this.#ends = ends;
    this.#reader = new FrameReader({
      accept: {
        [FrameKind.ready]: SMALL,
        [FrameKind.cranked]: MACHINE.frame_bytes.default,
        [FrameKind.replayed]: 0,
        [FrameKind.fault]: SMALL,
        [FrameKind.spared]: 0,
        [FrameKind.loaded]: 0,
        [FrameKind.described]: ADMISSION.agents_per_bundle.default * LONGEST_MANIFEST,
      },
      check: ends.check,
    });
  }

  /** Number of frames sent. */
  get sent(): number {
    return this.#sent;
  }

  /** Number of bytes written. */
  get written(): number {
    return this.#written;
  }

  /** Sends a bundle or a program, unless the process has it. */
  sendBundle(text: BundleText): void {
    const name = textName(text);
    if (this.#bundles.has(name)) return;
    if (this.#bundles.size >= BUNDLES_PER_CELL) this.#bundles.delete(this.#bundles.values().next().value as string);
    this.#bundles.add(name);
    this.send(text.isProgram === true ? FrameKind.program : FrameKind.bundle, 0, 0, 0, `${name}\n${text.source}`);
  }

  send(kind: FrameKind, assignment: number, crank: number, cpu_us: number, payload: string): void {
    this.#sent += 1;
    const frame = encodeFrame({ kind, incarnation: this.#incarnation, assignment, crank, cpu_us, heap_kib: 0 }, payload);
    this.#written += frame.length;
    this.#ends.write(frame);
  }

  receive(bytes: Buffer): void {
    try {
      this.#reader.push(bytes, this.#ends.take);
    } catch (error) {
      // A fault of the host's own code that the frame of a cell triggers must end the cell and not the host.
      this.#ends.broken(
        error instanceof CorralError
          ? error
          : new CorralError('CORRAL_INTERNAL', `A frame of cell ${this.#id} could not be processed: ${String(error)}.`),
      );
    }
  }
}
