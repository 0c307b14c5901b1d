/**
 * Decisions of policies and people about a run's calls, read from its journal: rules, unusual facts, approvals and who gave them.
 */
import { originText } from '@corral/policy/flow/origin-text';
import type { Decision } from '@corral/protocol/model/decision';
import type { Identity } from '@corral/protocol/model/identity';
import type { LabelChange } from '@corral/protocol/model/label';
import type { Entry } from '@corral/protocol/model/run';
import type { Pages } from './pages.ts';

export interface DecisionView {
  readonly call: number;
  readonly crank: number;
  readonly at: number;
  readonly action: 'call' | 'send' | 'spawn';
  readonly tool: string;
  readonly verdict: Decision['verdict'];
  readonly rules: string[];
  readonly policy: string;
  readonly unusual: string[];
  readonly origins: { path: string; origin: string; from: string }[];
  readonly code: string | null;
  readonly people: {
    by: string;
    verdict: 'approve' | 'deny' | 'expired';
    reason: string;
    at: number;
    lowered?: { kind: LabelChange['kind']; names: string[] };
    who?: Identity;
  }[];
}

/** Decisions that are kept of a long journal. Those that did not simply allow are kept first. */
const KEPT = 50;

export class Decisions {
  readonly #seen = new Map<number, DecisionView>();
  readonly #parent: string | undefined;

  /** @param parent agent that spawned the run, if a run did */
  constructor(parent: string | undefined) {
    this.#parent = parent;
  }

  /** The latest, oldest first. */
  get latest(): DecisionView[] {
    const all = [...this.#seen.values()];
    const noted = all.filter(({ verdict }) => verdict !== 'allow').slice(-KEPT);
    const allowed = noted.length === KEPT ? [] : all.filter(({ verdict }) => verdict === 'allow').slice(noted.length - KEPT);
    return [...noted, ...allowed].sort((a, b) => a.call - b.call);
  }

  /** Collects decisions from the pages that pass through. */
  async *through(pages: Pages): AsyncGenerator<readonly Entry[]> {
    for await (const page of pages) {
      for (const entry of page) this.#take(entry);
      yield page;
    }
  }

  #take({ seq, at, decisions, event }: Entry): void {
    for (const one of decisions) {
      const target = one.tool ?? one.agent;
      if (target === undefined || (one.policy === undefined && one.owner === undefined)) continue;
      this.#seen.set(one.id, {
        call: one.id,
        crank: seq,
        at,
        action: one.action ?? 'call',
        tool: target,
        verdict: one.verdict,
        rules: [...(one.rules ?? [])],
        policy: one.policy ?? '',
        unusual: [...(one.unusual ?? [])],
        origins: (one.origins ?? []).map(([path, origin]) => ({ path, origin, from: originText(origin, this.#parent) })),
        code: one.code ?? null,
        people: [],
      });
    }
    if (event?.kind !== 'approval') return;
    const { by, verdict, reason, relabel, who } = event;
    const lowered = relabel === undefined ? {} : { lowered: { kind: relabel.kind, names: [...relabel.names] } };
    this.#seen.get(event.id)?.people.push({ by, verdict, reason, at, ...lowered, ...(who === undefined ? {} : { who }) });
  }
}
