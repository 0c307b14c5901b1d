/** Changes the figures by facts. */
import { KIND, NOT_MEASURED } from './facts.ts';
import type { Figures } from './figures.ts';
import type { Known } from './known.ts';
import { OPERATION } from './names.ts';
import type { Fact } from './reading.ts';
import { LEAVES } from './vocabulary.ts';

const SECOND_MS = 1000;
const SECOND_US = 1_000_000;

export class Measures {
  readonly #figures: Figures;
  readonly #latest: boolean;

  /** @param latest whether only the latest names are used; see `latestOnly` */
  constructor(figures: Figures, latest: boolean) {
    this.#figures = figures;
    this.#latest = latest;
  }

  /** @param run undefined: the fact is about the host, or the run was forgotten */
  take(fact: Fact, run: Known | undefined): void {
    const figures = this.#figures;
    const { texts, numbers } = fact;
    const [a, b] = texts;
    const [at = 0, first = 0] = numbers;
    switch (fact.kind) {
      case KIND.run:
        if (first >= 0) figures.count('woken', []);
        else figures.count('admitted', [run?.tenant ?? '', run?.agent ?? '']);
        return;
      case KIND.began:
        if (run !== undefined && !run.began) figures.observe('queued', [], Math.max(0, at - run.created_at) / SECOND_MS);
        return;
      case KIND.parked:
        figures.count('parked', [a]);
        return this.#segment(run, at, '');
      case KIND.ended:
        figures.count('ended', [run?.tenant ?? '', run?.agent ?? '', a]);
        return this.#segment(run, at, a === 'completed' ? '' : a);
      case KIND.crank:
        figures.observe('crankDuration', [a], first / SECOND_MS);
        figures.observe('crankCpu', [a], (numbers[2] ?? 0) / SECOND_US);
        return;
      case KIND.call:
        return this.#call(fact, run);
      case KIND.firstChunk:
        figures.observe('firstChunk', [OPERATION.chat, a, b], first / SECOND_MS);
        if (!this.#latest) figures.observe('firstChunkBefore', [OPERATION.chat, a, b], first / SECOND_MS);
        return;
      case KIND.message:
        return figures.count('messages', []);
      case KIND.asked:
        return figures.count('asked', [run?.tenant ?? '']);
      case KIND.decided:
        figures.count('decided', [run?.tenant ?? '', b]);
        return figures.observe('approvalWait', [], first / SECOND_MS);
      case KIND.denied:
        return figures.count('denied', [run?.tenant ?? '', a, b], first);
      case KIND.act:
        figures.count('acts', [a]);
        if (LEAVES.has(a)) this.#segment(run, at, '');
        return;
      case KIND.step:
        return figures.count('steps', [a, b]);
      case KIND.caller:
      case KIND.content:
      case KIND.log:
    }
  }

  #segment(run: Known | undefined, at: number, error: string): void {
    const segment = run?.segment;
    if (run === undefined || segment === undefined) return;
    this.#figures.observe('agentDuration', [run.agent, error], Math.max(0, at - segment.from) / SECOND_MS);
    this.#figures.observe('agentInference', [run.agent], segment.models);
    this.#figures.observe('agentTools', [run.agent], segment.tools);
  }

  #call(
    { texts: [tool, code, provider, model], numbers: [, took_ms = NOT_MEASURED, input = 0, output = 0, cost = 0] }: Fact,
    run: Known | undefined,
  ): void {
    const figures = this.#figures;
    const isMeasured = took_ms !== NOT_MEASURED;
    const took = took_ms / SECOND_MS;
    if (cost > 0) figures.count('cost', [run?.tenant ?? '', run?.agent ?? ''], cost);
    // A time that nobody knows would make every average wrong.
    if (!isMeasured) figures.count('requests', [tool, code]);
    if (provider === '' && model === '') {
      if (isMeasured) figures.observe('toolDuration', [tool, code], took);
      return;
    }
    const made = [OPERATION.chat, provider, model];
    if (isMeasured) figures.observe('modelDuration', [...made, code], took);
    if (input > 0) figures.observe('inputTokens', made, input);
    if (output > 0) figures.observe('outputTokens', made, output);
    if (this.#latest) return;
    if (isMeasured) figures.observe('modelDurationBefore', [...made, code], took);
    if (input > 0) figures.observe('tokensBefore', [...made, 'input'], input);
    if (output > 0) figures.observe('tokensBefore', [...made, 'output'], output);
  }
}
