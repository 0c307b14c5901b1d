/** From facts to spans and figures: what the thread of telemetry does with each. It has no clock and does no I/O. */
import type { RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { idOf } from './caller.ts';
import { KIND, runIn, versionIn } from './facts.ts';
import { Figures } from './figures.ts';
import { KnownRuns, type Known } from './known.ts';
import { Measures } from './measures.ts';
import type { Fact } from './reading.ts';
import { place, traceOf, type Span } from './span.ts';
import { Spans } from './spans.ts';
import { HOST_STOPPED, LEAVES } from './vocabulary.ts';

export interface PipelineOptions {
  /** Share of families whose spans are all sent, from 0 to 1. */
  readonly sample: number;
  /** See `latestOnly`. */
  readonly latest: boolean;
  /** Undefined: no collector wants spans, and none are made. */
  readonly send: ((span: Span) => void) | undefined;
  /** Lines of figures at most. */
  readonly series?: number;
  /** Runs that are remembered at most. */
  readonly runs?: number;
}

export class Pipeline {
  readonly figures: Figures;
  readonly #known: KnownRuns;
  readonly #measures: Measures;
  readonly #spans: Spans | undefined;
  readonly #sample: number;
  /** The caller of the run whose fact comes next. */
  #caller: { readonly run: RunId | undefined; readonly trace: Uint8Array; readonly span: Uint8Array } | undefined;

  constructor({ sample, latest, send, series = TELEMETRY.series.default, runs = TELEMETRY.runs_known.default }: PipelineOptions) {
    this.#sample = sample;
    this.#known = new KnownRuns(runs);
    this.figures = new Figures(series);
    this.#measures = new Measures(this.figures, latest);
    const over = () => this.figures.count('dropped', ['errors']);
    this.#spans = send && new Spans({ known: this.#known, latest, send, over });
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
      // An act may be on a run that is in the store alone, of which there is nothing to tell but the act.
      if (fact.run !== undefined && fact.kind !== KIND.act) this.figures.count('dropped', ['unknown run']);
      return;
    }
    this.#spans?.take(fact, run);
    if (fact.kind === KIND.began) run.began = true;
    // Without spans nobody else has ended the stretch.
    if (fact.kind === KIND.parked || fact.kind === KIND.ended || (fact.kind === KIND.act && LEAVES.has(fact.texts[0])))
      run.segment = undefined;
    this.#known.heard(run);
  }

  /** The trace of a run; undefined for one that is not known. */
  traceOf(run: RunId | undefined): Uint8Array | undefined {
    return this.#known.get(run)?.trace;
  }

  /** A span was lost on its way. Where others hang from it, it is sent again with the next of them. */
  lost(span: Span): void {
    const run = span.isOfRun ? this.#known.get(span.run) : undefined;
    if (run !== undefined) run.sent = false;
  }

  /** The host stops: runs that it has in memory leave it. @param at milliseconds since 1970 */
  stop(at: number): void {
    const texts = [HOST_STOPPED, '', '', ''] as const;
    for (const { run, segment } of this.#known.all())
      if (segment !== undefined)
        this.take({ kind: KIND.parked, run, peer: undefined, other: undefined, count: 0, number: 0, texts, numbers: [at] });
  }

  #learn({ run, peer: root, other: parent, number: epoch, texts, numbers }: Fact): Known | undefined {
    if (run === undefined) return undefined;
    const [tenant, agent] = texts;
    const [created_at = 0, woken_at = -1, , , version = 0] = numbers;
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
      version: versionIn(version),
      created_at,
      trace,
      sampled: place(trace) < this.#sample,
      sent: false,
      last: undefined,
      began: resumed,
      segment: { epoch, from: resumed ? woken_at : created_at, resumed, cranks: 0, cpu_us: 0, tools: 0, models: 0 },
    });
  }
}
