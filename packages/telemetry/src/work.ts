/** The loop of the thread of telemetry: it reads facts, hands batches to the collector, and says the figures. */
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Begin, FromThread, Reading, ToThread } from './messages.ts';
import { logIn, type LogRecord } from './log.ts';
import { METRICS, CORRAL, type MetricName } from './names.ts';
import { logsMessage, metricsMessage, tracesMessage } from './otlp/messages.ts';
import { Exporter, type ExporterOptions, type Signal } from './otlp/exporter.ts';
import { Pipeline } from './pipeline.ts';
import { prometheusText } from './prometheus.ts';
import { FactReader, type Fact } from './reading.ts';
import { KIND } from './facts.ts';
import { spanOfRun, type Span } from './span.ts';
import { WaitingSpans } from './waiting.ts';

export interface WorkPowers extends Omit<ExporterOptions, 'collector'> {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly tell: (message: FromThread) => void;
}

/** Facts that are read before messages of the host and answers of the collector have their turn. */
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
  readonly #waiting = new WaitingSpans(TELEMETRY.spans_waiting.default);
  readonly #logs: LogRecord[] = [];
  #logsLost = 0;
  /** Spans that were lost, and those that the collector left out of batches it took. */
  #lost = 0;
  #rejected = 0;
  #faults = 0;
  #sending: Promise<void> | undefined;
  readonly #told = new Map<Signal, string | undefined>();
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

  /** Reads some of what waits, and hands over what is due. To be called every so often. @returns whether more waits */
  look(): boolean {
    const more = this.#reader.read(AT_ONCE, this.#take);
    if (this.#exporter === undefined || this.#sending !== undefined || this.#closing) return more;
    const now = this.#powers.now();
    const isDue = now >= this.#figuresAt;
    const most = Math.max(this.#waiting.size, this.#logs.length);
    if (!isDue && most < BATCH && (most === 0 || now - this.#handedAt < BATCH_MS)) return more;
    this.#handedAt = now;
    this.#sending = this.#hand(this.#exporter, isDue)
      .catch((error: unknown) => this.#fault(error))
      .finally(() => {
        this.#sending = undefined;
      });
    return more;
  }

  /** Answers a message of the host. */
  async heard(message: ToThread): Promise<void> {
    try {
      if (message.kind === 'readings') return this.#read(message.readings);
      if (message.kind === 'close') return await this.#close();
      this.#read(message.readings);
      this.#drain();
      this.#powers.tell({ kind: 'text', id: message.id, text: prometheusText(this.#figures()) });
    } catch (error) {
      this.#fault(error);
    }
  }

  /** One fact that cannot be taken costs itself alone. */
  readonly #take = (fact: Parameters<Pipeline['take']>[0]): void => {
    try {
      if (fact.kind === KIND.log) this.#log(fact);
      else this.#pipeline.take(fact);
    } catch (error) {
      this.#fault(error);
    }
  };

  #log({ run, number: severity, text = '', numbers: [at = 0] }: Fact): void {
    if (this.#exporter === undefined) return;
    if (this.#logs.length >= TELEMETRY.logs_waiting.default) return void (this.#logsLost += 1);
    const { body, attributes } = logIn(text);
    const trace = this.#pipeline.traceOf(run);
    const span = run === undefined || trace === undefined ? undefined : spanOfRun(run);
    const about = run === undefined ? [] : [[CORRAL.run, run] as const];
    this.#logs.push({ at, severity, body, attributes: [...attributes, ...about], trace, span });
  }

  #fault(error: unknown): void {
    this.#faults += 1;
    // The first one is told; an error that every fact makes would fill the log.
    if (this.#faults === 1)
      this.#powers.tell({ kind: 'fault', why: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }

  /** Reads what waits now. Facts that are written meanwhile wait for the next look, or a busy host would never get an answer. */
  #drain(): void {
    this.#reader.read(this.#reader.size, this.#take);
  }

  #read(readings: readonly Reading[]): void {
    const { figures } = this.#pipeline;
    for (const [name, { kind }] of Object.entries(METRICS)) if (kind === 'gauge') figures.clear(name as MetricName);
    for (const [name, labels, value] of readings) figures.set(name, labels, value);
  }

  #figures(): ReturnType<Pipeline['figures']['all']> {
    const { figures } = this.#pipeline;
    figures.set('dropped', ['facts'], this.#reader.dropped);
    figures.set('dropped', ['spans'], this.#lost);
    figures.set('dropped', ['logs'], this.#logsLost);
    figures.set('dropped', ['rejected'], this.#rejected);
    figures.set('dropped', ['faults'], this.#faults);
    return figures.all();
  }

  #keep(span: Span): void {
    const gone = this.#waiting.keep(span);
    if (gone !== undefined) this.#lose([gone]);
  }

  #lose(spans: readonly Span[]): void {
    this.#lost += spans.length;
    for (const span of spans) this.#pipeline.lost(span);
  }

  /**
   * Hands over the figures, if it is time, and the spans that wait now. Figures go first, and spans that come meanwhile wait for the next time, since
   * neither a busy host nor a slow collector may keep figures from being sent.
   * @param attempts undefined: as the limits say
   */
  async #hand(exporter: Exporter, figures: boolean, attempts?: number): Promise<void> {
    if (figures) {
      const now = this.#powers.now();
      this.#figuresAt = now + METRICS_MS;
      const body = metricsMessage(this.#begin.resource, this.#figures(), { since: this.#since, now });
      await this.#send(exporter, 'metrics', body, attempts);
    }
    if (this.#logs.length > 0) await this.#handLogs(exporter, attempts);
    for (let left = this.#waiting.size; left > 0 && this.#waiting.size > 0; left -= BATCH) {
      // The end of the host is handed over by a call of its own.
      if (attempts === undefined && (this.#closing || this.#powers.now() >= this.#figuresAt)) return;
      const batch = this.#waiting.take(Math.min(BATCH, left));
      try {
        if (await this.#send(exporter, 'traces', tracesMessage(this.#begin.resource, batch), attempts)) continue;
        // It goes once more, with the last of all.
        if (attempts === undefined && this.#closing) for (const span of batch) this.#keep(span);
        else this.#lose(batch);
      } catch (error) {
        this.#lose(batch);
        this.#fault(error);
      }
    }
  }

  /** Hands over the records of the log that wait now; what is not taken is lost, as a log is of use soon or not at all. */
  async #handLogs(exporter: Exporter, attempts?: number): Promise<void> {
    for (let left = this.#logs.length; left > 0; left -= BATCH) {
      if (attempts === undefined && (this.#closing || this.#powers.now() >= this.#figuresAt)) return;
      const batch = this.#logs.splice(0, Math.min(BATCH, left));
      if (!(await this.#send(exporter, 'logs', logsMessage(this.#begin.resource, batch), attempts))) this.#logsLost += batch.length;
    }
  }

  /** @returns whether it was taken, or in part */
  async #send(exporter: Exporter, signal: Signal, body: Uint8Array<ArrayBuffer>, attempts: number | undefined): Promise<boolean> {
    const sent = await exporter.send(signal, body, attempts);
    if (sent.taken) this.#rejected += sent.rejected;
    const why = exporter.trouble(signal);
    if (why !== this.#told.get(signal)) this.#powers.tell({ kind: 'trouble', signal, why });
    this.#told.set(signal, why);
    return sent.taken;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    this.#exporter?.hurry();
    await this.#sending;
    this.#drain();
    this.#pipeline.stop(this.#powers.now());
    // A host that stops does not wait for a collector that is away.
    if (this.#exporter !== undefined) await this.#hand(this.#exporter, true, 1);
    this.#powers.tell({ kind: 'closed' });
  }
}
