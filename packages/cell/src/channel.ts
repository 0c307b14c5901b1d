/**
 * The cell's only connection: one socket, inherited as file descriptor 3, read and written synchronously. A cell does one thing
 * at a time, and a blocking read(2) wakes up sooner than an event loop.
 */
import { readSync, writeSync } from 'node:fs';
import { FrameKind, FrameReader, encodeFrame, type Frame, type FrameHead } from '@corral/protocol/wire/frame';

const SOCKET = 3;
const CHUNK = 64 * 1024;

/**
 * Longest frame that a supervisor sends: a replay batch or a bundle. The supervisor is trusted; this limit detects a stream that
 * is out of step.
 */
const LONGEST = 256 * 1024 * 1024;

export class Channel {
  readonly #chunk = Buffer.allocUnsafe(CHUNK);
  readonly #queue: Frame[] = [];
  readonly #reader = new FrameReader({
    accept: {
      [FrameKind.hello]: LONGEST,
      [FrameKind.bundle]: LONGEST,
      [FrameKind.program]: LONGEST,
      [FrameKind.start]: LONGEST,
      [FrameKind.crank]: LONGEST,
      [FrameKind.replay]: LONGEST,
      [FrameKind.drop]: LONGEST,
      [FrameKind.describe]: LONGEST,
      [FrameKind.spare]: LONGEST,
    },
  });

  /** Waits for the next frame; undefined if the supervisor has closed the connection. */
  receive(): Frame | undefined {
    for (;;) {
      const frame = this.#queue.shift();
      if (frame !== undefined) return frame;
      const length = readSync(SOCKET, this.#chunk, 0, CHUNK, null);
      if (length === 0) return undefined;
      this.#reader.push(this.#chunk.subarray(0, length), (next) => this.#queue.push(next));
    }
  }

  send(head: FrameHead, payload: string): void {
    const bytes = encodeFrame(head, payload);
    for (let at = 0; at < bytes.length;) at += writeSync(SOCKET, bytes, at, bytes.length - at);
  }
}
