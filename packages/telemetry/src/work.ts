/** The loop of the thread of telemetry: it reads facts, hands batches to the collector, and says the figures. */
import { TELEMETRY } from '@corral/protocol/limits';
import type { Begin, FromThread, Reading, ToThread } from './messages.ts';
import { METRICS, type MetricName } from './names.ts';
import { metricsMessage, tracesMessage } from './otlp/messages.ts';
import { Exporter, type ExporterOptions } from './otlp/exporter.ts';
import { Pipeline } from './pipeline.ts';
import { prometheusText } from './prometheus.ts';
import { FactReader } from './reading.ts';
import type { Span } from './span.ts';

export interface WorkPowers extends Omit<ExporterOptions, 'collector'> {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly tell: (message: FromThread) => void;
}

/** Facts that are read before messages of the host have their turn. */
const AT_ONCE = 2_000;
const BATCH = 512;
const METRICS_MS = 15_000;
/** How long a span waits for company. */
const BATCH_MS = 1_000;

export class Work {
  readonly #powers: WorkPowers;
  readonly #begin: Begin;
  readonly #reader: FactReader;
  readonly #pipeline: Pipeline;
  readonly #exporter: Exporter | undefined;
  readonly #since: number;
  #spans: Span[] = [];
  #lost = 0;
  #sending: Promise<void> | undefined;
  #trouble: string | undefined;
  #figuresAt: number;
  /** When spans were handed over last. */
  #handedAt = 0;
  #closing = false;

  constructor(begin: Begin, powers: WorkPowers) {
    const { collector, sample, latest, memory } = begin;
    this.#begin = begin;
    this.#powers = powers;
    this.#reader = new FactReader(memory);
    this.#exporter = collector && new Exporter({ ...powers, collector });
    this.#pipeline = new Pipeline({ sample, latest, send: collector && ((span) => this.#keep(span)) });
    this.#since = powers.now();
    this.#figuresAt = this.#since + METRICS_MS;
  }

  /** Reads what waits. To be called every so often. */
  look(): void {
    while (this.#reader.read(AT_ONCE, (fact) => this.#pipeline.take(fact)));
    this.#pipeline.figures.set('dropped', ['facts'], this.#reader.dropped);
    this.#pipeline.figures.set('dropped', ['spans'], this.#lost);
    if (this.#exporter === undefined || this.#sending !== undefined || this.#closing) return;
    const now = this.#powers.now();
    const due = now >= this.#figuresAt;
    if (!due && this.#spans.length < BATCH && (this.#spans.length === 0 || now - this.#handedAt < BATCH_MS)) return;
    this.#handedAt = now;
    this.#sending = this.#hand(due).finally(() => {
      this.#sending = undefined;
    });
  }

  /** Answers a message of the host. */
  async heard(message: ToThread): Promise<void> {
    if (message.kind === 'readings') return this.#read(message.readings);
    if (message.kind === 'close') return this.#close();
    this.#read(message.readings);
    this.look();
    this.#powers.tell({ kind: 'text', id: message.id, text: prometheusText(this.#pipeline.figures.all()) });
  }

  #read(readings: readonly Reading[]): void {
    const { figures } = this.#pipeline;
    for (const [name, { kind }] of Object.entries(METRICS)) if (kind === 'gauge') figures.clear(name as MetricName);
    for (const [name, labels, value] of readings) figures.set(name, labels, value);
  }

  #keep(span: Span): void {
    if (this.#spans.length < TELEMETRY.spans_waiting.default) this.#spans.push(span);
    else this.#lost += 1;
  }

  /** Hands over the spans that wait now, and the figures if it is time. @param attempts undefined: as limits.ts says */
  async #hand(figures: boolean, attempts?: number): Promise<void> {
    const exporter = this.#exporter;
    if (exporter === undefined) return;
    const { resource } = this.#begin;
    while (this.#spans.length > 0) {
      const batch = this.#spans.splice(0, BATCH);
      if (!(await exporter.send('traces', tracesMessage(resource, batch), attempts))) this.#lost += batch.length;
    }
    if (figures) {
      const now = this.#powers.now();
      this.#figuresAt = now + METRICS_MS;
      await exporter.send('metrics', metricsMessage(resource, this.#pipeline.figures.all(), { since: this.#since, now }), attempts);
    }
    if (exporter.trouble === this.#trouble) return;
    this.#trouble = exporter.trouble;
    this.#powers.tell({ kind: 'trouble', why: this.#trouble });
  }

  async #close(): Promise<void> {
    this.look();
    this.#closing = true;
    await this.#sending;
    this.look();
    this.#pipeline.stop(this.#powers.now());
    // A host that stops does not wait for a collector that is away.
    await this.#hand(true, 1);
    this.#powers.tell({ kind: 'closed' });
  }
}
