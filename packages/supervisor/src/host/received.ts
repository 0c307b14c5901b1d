/**
 * Hands on what a cell sends. Node says that the last part of a batch was taken only after this turn's reads, so bytes that come while a batch
 * is under way may be the answer to the last frame of it. They are held until the end of the turn; by then Node has said so, if it was taken,
 * and an answer to a frame that was not is the answer of a cell that has not read it.
 */
import type { Sender } from './sender.ts';

export class Received {
  readonly #sender: Pick<Sender, 'isUnderWay'>;
  readonly #onBytes: (bytes: Buffer) => void;
  #held: Buffer[] = [];

  constructor(sender: Pick<Sender, 'isUnderWay'>, onBytes: (bytes: Buffer) => void) {
    this.#sender = sender;
    this.#onBytes = onBytes;
  }

  take(bytes: Buffer): void {
    if (this.#held.length === 0 && !this.#sender.isUnderWay) return this.#onBytes(bytes);
    if (this.#held.push(bytes) > 1) return;
    // After the reads of this turn Node calls back for what was written, and then the immediates.
    setImmediate(() => {
      const held = this.#held;
      this.#held = [];
      for (const one of held) this.#onBytes(one);
    });
  }
}
