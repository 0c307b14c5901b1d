/**
 * The connection of a follower: it is written server-sent events as fast as it takes them, some in each turn of the event loop, for as
 * long as its principal may be told them.
 */
import type { ServerResponse } from 'node:http';
import type { Held } from '../people/sessions.ts';
import { STALLED_MS } from './traffic.ts';

const HEARTBEAT_MS = 15_000;
/** Events that are examined, and characters that are written, in one turn of the event loop. */
const SLICE_EVENTS = 500;
const SLICE_CHARS = 64 * 1024;

export interface OutflowEvents {
  /** The connection does not take all that there is. */
  readonly slow: () => void;
  readonly gone: () => void;
}

export class Outflow {
  readonly #raw: ServerResponse;
  readonly #told: OutflowEvents;
  readonly #heartbeat: NodeJS.Timeout;
  #held: Held | undefined;
  #stop: () => void = () => undefined;
  #ended = false;
  /** A hint was dropped. */
  #owes = false;
  /** Events looked at and characters written in this turn of the event loop. */
  #looked = 0;
  #written = 0;

  constructor(raw: ServerResponse, told: OutflowEvents) {
    this.#raw = raw;
    this.#told = told;
    this.#heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS).unref();
    raw.on('close', () => this.end());
  }

  /** @param held the session of its principal @param stop called at its end */
  begin(held: Held, stop: () => void): void {
    this.#held = held;
    this.#stop = stop;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#heartbeat);
    this.#held?.close();
    this.#stop();
    this.#told.gone();
    this.#raw.end();
  }

  /** Ends it without what waits to be written. */
  destroy(): void {
    this.#raw.destroy();
  }

  /** Whether it may be told more: its principal is checked now and then. Ends it if not. */
  async isLet(): Promise<boolean> {
    while (this.#held?.checking !== undefined) await this.#held.checking;
    if (this.#held?.ended === true) this.end();
    return !this.#ended;
  }

  /** Writes what is not an event of its own: an id to resume from, a comment. */
  note(text: string): void {
    this.#raw.write(text);
  }

  /**
   * Writes what may be dropped. If the connection takes nothing now, it gets `instead` once it does, however much was dropped.
   */
  hint(text: string, instead: string): void {
    if (!this.#raw.writableNeedDrain) return void this.#raw.write(text);
    if (this.#owes) return;
    this.#owes = true;
    this.#raw.once('drain', () => {
      this.#owes = false;
      if (!this.#ended) this.#raw.write(instead);
    });
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
    this.#told.slow();
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
