/**
 * Hands batches to a collector by HTTP. A collector that is away does not fill the memory of a host: what waits is bounded, a batch is tried a
 * few times, ever more slowly, and what is lost is counted.
 *
 * Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"
 */
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { bodyOf, rejectedIn } from './answer.ts';

export interface Collector {
  /** `http://127.0.0.1:4318`, to which `/v1/traces` is added. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ExporterOptions {
  readonly collector: Collector;
  readonly fetch: (url: string, request: RequestInit) => Promise<Response>;
  /** @param ms until it resolves */
  readonly pause: (ms: number) => Promise<void>;
  /** Between 0 and 1. */
  readonly random: () => number;
}

/** Statuses after which the same request may succeed later. */
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const ANSWER_MS = 10_000;
const SECOND_MS = 1000;

/** The last part of the path at a collector. */
export type Signal = 'traces' | 'metrics' | 'logs';

/** The fate of a batch. `rejected`: of a batch that was taken, how much the collector left out. */
type Sent = { readonly taken: true; readonly rejected: number } | { readonly taken: false };

type Attempt = { readonly rejected: number } | { readonly why: string; readonly again: boolean; readonly after_ms?: number | undefined };

export class Exporter {
  readonly #options: ExporterOptions;
  /** Why the last batch of a signal that was lost could not be handed over. A collector may take one signal and refuse the other. */
  readonly #trouble = new Map<Signal, string>();
  readonly #hurry = Promise.withResolvers<void>();
  #hurried = false;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  trouble(signal: Signal): string | undefined {
    return this.#trouble.get(signal);
  }

  /** The host stops: no batch is tried again from now on. */
  hurry(): void {
    this.#hurried = true;
    this.#hurry.resolve();
  }

  async send(signal: Signal, body: Uint8Array<ArrayBuffer>, attempts: number = TELEMETRY.export_attempts.default): Promise<Sent> {
    for (let attempt = 1; ; attempt++) {
      const said = await this.#attempt(signal, body);
      if ('rejected' in said) {
        this.#trouble.delete(signal);
        return { taken: true, rejected: said.rejected };
      }
      this.#trouble.set(signal, said.why);
      if (!said.again || attempt >= attempts || this.#hurried) return { taken: false };
      await Promise.race([this.#options.pause(said.after_ms ?? this.#pauseAfter(attempt)), this.#hurry.promise]);
      if (this.#hurried) return { taken: false };
    }
  }

  /** Pauses of several hosts are spread, so that they do not all come back at the same moment. */
  #pauseAfter(attempt: number): number {
    const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
    return most / 2 + this.#options.random() * (most / 2);
  }

  async #attempt(signal: Signal, body: Uint8Array<ArrayBuffer>): Promise<Attempt> {
    const { collector, fetch } = this.#options;
    try {
      const response = await fetch(`${collector.url.replace(/\/+$/, '')}/v1/${signal}`, {
        method: 'POST',
        headers: { ...collector.headers, 'content-type': 'application/x-protobuf' },
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const answer = await bodyOf(response, TELEMETRY.answer_bytes.default);
      if (response.ok) return { rejected: rejectedIn(answer) };
      const after_s = Number(response.headers.get('retry-after') ?? Number.NaN);
      const after_ms = after_s > 0 ? Math.min(after_s * SECOND_MS, LONGEST_PAUSE_MS) : undefined;
      return { why: `it answered ${response.status}`, again: AGAIN.has(response.status), after_ms };
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      return { why: cause instanceof Error ? cause.message : String(cause), again: true };
    }
  }
}
