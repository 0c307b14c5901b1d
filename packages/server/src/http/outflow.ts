/** Writes server-sent events to a connection as fast as it takes them, some in each turn of the event loop. */
import type { ServerResponse } from 'node:http';
import { STALLED_MS } from './traffic.ts';

const HEARTBEAT_MS = 15_000;
/** Events that are examined, and characters that are written, in one turn of the event loop. */
const SLICE_EVENTS = 500;
const SLICE_CHARS = 64 * 1024;

export interface FollowerTold {
  /** Its connection does not take all that there is. */
  readonly slow: () => void;
  readonly gone: () => void;
}

export class Outflow {
  readonly #raw: ServerResponse;
  readonly #slow: () => void;
  readonly #heartbeat: NodeJS.Timeout;
  /** Events looked at and characters written in this turn of the event loop. */
  #looked = 0;
  #written = 0;

  /** @param slow called when the connection does not take all that there is */
  constructor(raw: ServerResponse, slow: () => void) {
    this.#raw = raw;
    this.#slow = slow;
    this.#heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS).unref();
  }

  end(): void {
    clearInterval(this.#heartbeat);
    this.#raw.end();
  }

  /** Resolves when there may be more. @param text undefined: an event that is not for this follower */
  async send(text: string | undefined): Promise<void> {
    this.#looked += 1;
    if (text !== undefined) {
      this.#written += text.length;
      if (!this.#raw.write(text)) await this.#drained();
    }
    if (this.#looked < SLICE_EVENTS && this.#written < SLICE_CHARS) return;
    [this.#looked, this.#written] = [0, 0];
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Resolves when the connection accepts more data or is closed. */
  async #drained(): Promise<void> {
    const raw = this.#raw;
    this.#slow();
    if (raw.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(stalled);
        raw.off('drain', done).off('close', done);
        resolve();
      };
      const stalled = setTimeout(() => raw.destroy(), STALLED_MS).unref();
      raw.once('drain', done).once('close', done);
    });
  }
}
