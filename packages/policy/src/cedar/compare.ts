/**
 * `policy shadow` and `policy backtest`: a candidate is evaluated beside the policies in force, on live or recorded requests,
 * without effect. Differences are kept up to a limit, and counted beyond it.
 */
import { verdictText } from './explain.ts';
import type { PolicyRequest } from './request.ts';
import type { PolicyInForce } from './in-force.ts';
import type { Verdict } from './verdict.ts';
import { actionName, type Action, type Subject } from './catalog.ts';

export interface Difference {
  /** Origin of the request: `run_… crank 7`. */
  readonly origin: string;
  /** Subject and action, without the arguments: they belong to the run and are erased with it, while this is kept. */
  readonly subject: Subject;
  readonly action: Action;
  readonly before: Verdict;
  readonly after: Verdict;
}

export interface Comparison {
  readonly version: string;
  readonly candidate: string;
  readonly decisions: number;
  readonly differing: number;
  /** `allow → deny (approval)` and its count. */
  readonly changes: Readonly<Record<string, number>>;
  /** The first differences. */
  readonly examples: readonly Difference[];
}

const EXAMPLES = 100;

/** Evaluates a candidate beside the policies in force. */
export class PolicyShadow {
  readonly #inForce: string;
  readonly #candidate: PolicyInForce;
  readonly #changes = new Map<string, number>();
  readonly #examples: Difference[] = [];
  #decisions = 0;
  #differing = 0;

  constructor(inForce: string, candidate: PolicyInForce) {
    this.#inForce = inForce;
    this.#candidate = candidate;
  }

  /** Evaluates one decision, and returns the difference if there is one. Never throws. */
  observe(origin: string, request: PolicyRequest, before: Verdict): Difference | undefined {
    this.#decisions += 1;
    const after = this.#candidate.decide(request);
    const [was, would] = [verdictText(before), verdictText(after)];
    if (was === would) return undefined;
    this.#differing += 1;
    const change = `${was} → ${would}`;
    this.#changes.set(change, (this.#changes.get(change) ?? 0) + 1);
    const difference = { origin, subject: request.subject, action: request.action, before, after };
    if (this.#examples.length < EXAMPLES) this.#examples.push(difference);
    return difference;
  }

  report(): Comparison {
    return {
      version: this.#inForce,
      candidate: this.#candidate.version,
      decisions: this.#decisions,
      differing: this.#differing,
      changes: Object.fromEntries(this.#changes),
      examples: [...this.#examples],
    };
  }
}

/** The same for recorded requests, which the policies in force decide again. */
export function backtest(
  inForce: PolicyInForce,
  candidate: PolicyInForce,
  recorded: Iterable<{ readonly origin: string; readonly request: PolicyRequest }>,
): Comparison {
  const shadow = new PolicyShadow(inForce.version, candidate);
  for (const { origin, request } of recorded) shadow.observe(origin, request, inForce.decide(request));
  return shadow.report();
}

export function formatComparison({ decisions, differing, changes, examples }: Comparison): string {
  const lines = [`${differing} of ${decisions} decisions would differ`];
  for (const [change, count] of Object.entries(changes)) lines.push(`  ${count} × ${change}`);
  for (const { origin, subject, action, after, before } of examples.slice(0, 20)) {
    const why = [...after.reasons, ...before.reasons].map(({ policy }) => policy);
    const who = `${subject.agent} for ${subject.person}`;
    lines.push(
      `  ${origin}: ${actionName(action)} by ${who}: ${verdictText(before)} → ${verdictText(after)}${why.length === 0 ? '' : ` (${[...new Set(why)].join(', ')})`}`,
    );
  }
  return lines.join('\n');
}
