/**
 * Writes what a cell is sent, one batch of frames after the other. The operating system takes a batch in parts, and a cell may answer a
 * frame before the last one is taken, so all but the last count as sent from the beginning. The last one is sent when the batch is; what
 * waits behind it has certainly not been read.
 */
import type { Writable } from 'node:stream';

/** Bytes after which a batch takes no further frame. */
const BATCH = 64 * 1024;

export class Sender {
  readonly #socket: Writable;
  #waiting: Buffer[] = [];
  #waiting_bytes = 0;
  /** The length of the last frame of the batch that is under way. */
  #last_bytes = 0;
  /** A batch is under way, or will be at the end of this turn. */
  #isBusy = false;
  #isHeld = false;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** Bytes of the frames that the process cannot have read yet. */
  get unsent(): number {
    return this.#waiting_bytes + this.#last_bytes;
  }

  /** A batch was handed to the socket, which has not said yet that all of it was taken. */
  get isUnderWay(): boolean {
    return this.#last_bytes > 0;
  }

  /** Sends nothing from now on until `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#next();
  }

  write(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waiting_bytes += bytes.length;
    if (this.#isBusy || this.#isHeld) return;
    this.#isBusy = true;
    process.nextTick(() => {
      this.#isBusy = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#isBusy || this.#isHeld || this.#waiting.length === 0) return;
    this.#isBusy = true;
    let bytes = 0;
    const more = this.#waiting.findIndex((frame) => (bytes += frame.length) >= BATCH) + 1;
    const batch = this.#waiting.splice(0, more === 0 ? this.#waiting.length : more);
    this.#waiting_bytes -= bytes;
    const last = batch.pop() as Buffer;
    this.#last_bytes = last.length;
    this.#socket.cork();
    for (const frame of batch) this.#socket.write(frame);
    // After an error the cell is gone, and nothing more is sent.
    this.#socket.write(last, (error) => error || this.#sent());
    this.#socket.uncork();
  }

  #sent(): void {
    this.#last_bytes = 0;
    this.#isBusy = false;
    this.#next();
  }
}
