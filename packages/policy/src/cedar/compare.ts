/**
 * `policy shadow` and `policy backtest`: a candidate beside the policies in force, on live requests or recorded ones. The
 * candidate decides nothing; what it would have decided differently is kept, up to a bound, and counted beyond.
 */
import { verdictText } from './explain.ts';
import type { PolicyRequest } from './request.ts';
import type { PolicyInForce } from './in-force.ts';
import type { Verdict } from './verdict.ts';
import { actionName, type Action, type Subject } from './catalog.ts';

export interface Difference {
  /** Where the request is from: `run_… crank 7`. */
  readonly origin: string;
  /** Who would do what. Not with which arguments: what is said of a run outlives what is known of it. */
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
  /** `allow → deny (approval)` and how often. */
  readonly changes: Readonly<Record<string, number>>;
  /** The first of them. */
  readonly examples: readonly Difference[];
}

const EXAMPLES = 100;

/** Runs a candidate beside what decides. */
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

  /** Takes note of one decision; answers with the difference, if there is one. Never throws, never decides. */
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

/** The same over requests that were recorded, each decided again by the policies in force. */
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
