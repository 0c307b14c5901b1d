/** The host's end of telemetry: it starts the thread, hands it facts through the ring, and asks it for the figures. */
import { Worker } from 'node:worker_threads';
import { CorralError } from '@corral/protocol/errors';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { FactWriter } from './facts.ts';
import type { Begin, FromThread, Reading, ToThread } from './messages.ts';
import type { Signal } from './otlp/exporter.ts';
import { ringMemory } from './ring.ts';

export interface TelemetryOptions extends Omit<Begin, 'memory'> {
  /** Says that the collector takes nothing of a signal, and why; or that it does again. */
  readonly onTrouble: (signal: Signal, why: string | undefined) => void;
  /** Something went wrong in the thread, which goes on. */
  readonly onFault: (why: string) => void;
  /**
   * The thread has died of this. `again`: another one has been started, which knows nothing of before. Else nothing is observed any more, and
   * the host goes on.
   */
  readonly onLost: (error: unknown, again: boolean) => void;
}

/** How long the thread has to say the figures. */
const ANSWER_MS = 5_000;
/** A thread that dies again would die for ever. */
const RESTARTS = 1;

export class Telemetry {
  readonly facts: FactWriter;
  readonly #options: TelemetryOptions;
  readonly #begin: Begin;
  readonly #entry: URL;
  #worker: Worker;
  readonly #asked = new Map<number, { readonly resolve: (text: string) => void; readonly reject: (error: CorralError) => void }>();
  #last = 0;
  #restarts = 0;
  #gone = false;
  #closed: (() => void) | undefined;

  /** @param entry the module of the thread */
  constructor(options: TelemetryOptions, entry = new URL('./worker.ts', import.meta.url)) {
    const { collector, sample, latest, resource } = options;
    const memory = ringMemory(TELEMETRY.facts.default);
    this.#options = options;
    this.#entry = entry;
    this.facts = new FactWriter(memory);
    this.#begin = { collector, sample, latest, resource, memory };
    this.#worker = this.#start();
  }

  #start(): Worker {
    const worker = new Worker(this.#entry, { workerData: this.#begin, name: 'corral-telemetry' });
    // It does not keep a process alive that has nothing else to do.
    worker.unref();
    worker.on('message', (message: FromThread) => this.#heard(message));
    worker.on('error', (error) => this.#died(error));
    return worker;
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
    this.#asked.set(id, { resolve, reject });
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

  #heard(message: FromThread): void {
    switch (message.kind) {
      case 'trouble':
        return this.#options.onTrouble(message.signal, message.why);
      case 'fault':
        return this.#options.onFault(message.why);
      case 'closed':
        return this.#closed?.();
      case 'text':
        this.#asked.get(message.id)?.resolve(message.text);
        this.#asked.delete(message.id);
    }
  }

  #died(error: unknown): void {
    const again = !this.#gone && this.#closed === undefined && this.#restarts < RESTARTS;
    this.#lose();
    if (again) {
      this.#restarts += 1;
      this.#gone = false;
      this.facts.restart();
      this.#worker = this.#start();
    }
    this.#options.onLost(error, again);
  }

  /** Nobody answers those who wait. */
  #lose(): void {
    this.#gone = true;
    this.#closed?.();
    for (const { reject } of this.#asked.values()) reject(lost());
    this.#asked.clear();
  }

  #post(message: ToThread): void {
    if (!this.#gone) this.#worker.postMessage(message);
  }
}

const lost = (): CorralError => new CorralError('CORRAL_TELEMETRY_LOST', 'The thread of telemetry does not answer.');
