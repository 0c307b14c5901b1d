/** The host's end of telemetry: it starts the thread, hands it facts through the ring, and asks it for the figures. */
import { Worker } from 'node:worker_threads';
import { CorralError } from '@corral/protocol/errors';
import { TELEMETRY } from '@corral/protocol/limits';
import { FactWriter } from './facts.ts';
import type { Begin, FromThread, Reading, ToThread } from './messages.ts';
import { ringMemory } from './ring.ts';

export interface TelemetryOptions extends Omit<Begin, 'memory'> {
  /** Says that the collector takes nothing, and why; or that it does again. */
  readonly onTrouble: (why: string | undefined) => void;
  /** The thread has died of this; nothing is observed any more, and the host goes on. */
  readonly onLost: (error: unknown) => void;
}

/** How long the thread has to say the figures. */
const ANSWER_MS = 5_000;

export class Telemetry {
  readonly facts: FactWriter;
  readonly #worker: Worker;
  readonly #asked = new Map<number, (text: string) => void>();
  #last = 0;
  #gone = false;
  #closed: (() => void) | undefined;

  constructor({ onTrouble, onLost, ...begin }: TelemetryOptions) {
    const memory = ringMemory(TELEMETRY.facts.default);
    this.facts = new FactWriter(memory);
    const workerData: Begin = { ...begin, memory };
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData, name: 'corral-telemetry' });
    // It does not keep a process alive that has nothing else to do.
    this.#worker.unref();
    this.#worker.on('message', (message: FromThread) => {
      if (message.kind === 'trouble') return onTrouble(message.why);
      if (message.kind === 'closed') return this.#closed?.();
      this.#asked.get(message.id)?.(message.text);
      this.#asked.delete(message.id);
    });
    this.#worker.on('error', (error) => {
      this.#lose();
      onLost(error);
    });
  }

  /** The figures in the text format of Prometheus. @param readings what the host knows now @throws CORRAL_TELEMETRY_LOST */
  async text(readings: readonly Reading[]): Promise<string> {
    if (this.#gone) throw lost();
    const id = (this.#last += 1);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => {
      this.#asked.delete(id);
      reject(lost());
    }, ANSWER_MS).unref();
    this.#asked.set(id, resolve);
    this.#post({ kind: 'text', id, readings });
    return promise.finally(() => clearTimeout(timer));
  }

  /** Hands over what the host knows now, for the figures that the collector is sent. */
  read(readings: readonly Reading[]): void {
    this.#post({ kind: 'readings', readings });
  }

  /** Hands the rest to the collector, if it takes it in time, and ends the thread. */
  async close(): Promise<void> {
    if (!this.#gone) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed = resolve;
      const timer = setTimeout(resolve, TELEMETRY.close_ms.default);
      this.#post({ kind: 'close' });
      await promise;
      clearTimeout(timer);
    }
    this.#lose();
    await this.#worker.terminate();
  }

  #lose(): void {
    this.#gone = true;
    this.#closed?.();
  }

  #post(message: ToThread): void {
    if (!this.#gone) this.#worker.postMessage(message);
  }
}

const lost = (): CorralError => new CorralError('CORRAL_TELEMETRY_LOST', 'The thread of telemetry does not answer.');
