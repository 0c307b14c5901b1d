/** From facts to spans and figures: what the thread of telemetry does with each. It has no clock and does no I/O. */
import type { RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits';
import { idOf } from './caller.ts';
import { KIND, runIn } from './facts.ts';
import { Figures } from './figures.ts';
import { KnownRuns, type Known } from './known.ts';
import { Measures } from './measures.ts';
import type { Fact } from './reading.ts';
import { place, traceOf, type Span } from './span.ts';
import { Spans } from './spans.ts';

export interface PipelineOptions {
  /** Share of families whose spans are all sent, from 0 to 1. */
  readonly sample: number;
  /** See `latestOnly`. */
  readonly latest: boolean;
  /** Undefined: no collector wants spans, and none are made. */
  readonly send: ((span: Span) => void) | undefined;
  /** Lines of figures at most. */
  readonly series?: number;
}

export class Pipeline {
  readonly figures: Figures;
  readonly #known = new KnownRuns(TELEMETRY.runs_known.default);
  readonly #measures: Measures;
  readonly #spans: Spans | undefined;
  readonly #sample: number;
  /** The caller of the run whose fact comes next. */
  #caller: { readonly run: RunId | undefined; readonly trace: Uint8Array; readonly span: Uint8Array } | undefined;

  constructor({ sample, latest, send, series = TELEMETRY.series.default }: PipelineOptions) {
    this.#sample = sample;
    this.figures = new Figures(series);
    this.#measures = new Measures(this.figures, latest);
    this.#spans = send && new Spans({ known: this.#known, latest, send });
  }

  take(fact: Fact): void {
    if (fact.kind === KIND.caller) {
      const { run, number, numbers } = fact;
      this.#caller = { run, trace: idOf(numbers.slice(0, 4)), span: idOf([numbers[4] ?? 0, number >>> 0]) };
      return;
    }
    const run = fact.kind === KIND.run ? this.#learn(fact) : this.#known.get(fact.run);
    const segment = run?.segment;
    if (segment !== undefined && fact.kind === KIND.crank) {
      segment.cranks += 1;
      segment.cpu_us += fact.numbers[2] ?? 0;
    }
    if (segment !== undefined && fact.kind === KIND.call) segment[fact.texts[2] === '' && fact.texts[3] === '' ? 'tools' : 'models'] += 1;
    this.#measures.take(fact, run);
    if (run === undefined) {
      if (fact.run !== undefined) this.figures.count('dropped', ['unknown run']);
      return;
    }
    this.#spans?.take(fact, run);
    if (fact.kind === KIND.began) run.began = true;
    // Without spans nobody else has ended the stretch.
    if (fact.kind === KIND.parked || fact.kind === KIND.ended) run.segment = undefined;
  }

  /** The host stops: runs that it has in memory leave it. @param at milliseconds since 1970 */
  stop(at: number): void {
    const texts = ['host stopped', '', '', ''] as const;
    for (const { run, segment } of this.#known.all())
      if (segment !== undefined)
        this.take({ kind: KIND.parked, run, peer: undefined, other: undefined, count: 0, number: 0, texts, numbers: [at] });
  }

  #learn({ run, peer: root, other: parent, number: epoch, texts, numbers }: Fact): Known | undefined {
    if (run === undefined) return undefined;
    const [tenant, agent, version] = texts;
    const [created_at = 0, woken_at = -1] = numbers;
    const trace = traceOf(root ?? run);
    const resumed = woken_at >= 0;
    return this.#known.set({
      run,
      root: root ?? run,
      parent,
      origin: runIn(numbers, 2),
      caller: this.#caller?.run === run ? this.#caller : undefined,
      tenant,
      agent,
      version,
      created_at,
      trace,
      sampled: place(trace) < this.#sample,
      sent: false,
      began: resumed,
      segment: { epoch, from: resumed ? woken_at : created_at, resumed, cranks: 0, cpu_us: 0, tools: 0, models: 0 },
    });
  }
}
