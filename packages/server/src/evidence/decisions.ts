/**
 * Decisions of policies and people about a run's calls, read from its journal: rules, unusual facts, approvals and who gave them.
 */
import { originText } from '@corral/policy/flow/origin-text';
import type { Decision } from '@corral/protocol/model/decision';
import type { Identity } from '@corral/protocol/model/identity';
import { findingText, type Inspected } from '@corral/protocol/model/inspection';
import type { LabelChange } from '@corral/protocol/model/label';
import type { StandingGrant } from '@corral/protocol/model/standing';
import type { Entry, HostEvent } from '@corral/protocol/model/run';
import type { Delivery } from '@corral/protocol/wire/delivery';
import type { Pages } from './pages.ts';
import { Quoted, withShort, type QuoteView, type Quoting } from './quoted.ts';

export interface DecisionView {
  readonly call: number;
  readonly crank: number;
  readonly at: number;
  readonly action: 'call' | 'send' | 'spawn' | 'answer' | 'output' | 'emit';
  readonly tool: string;
  readonly verdict: Decision['verdict'];
  readonly rules: string[];
  /** Those of the rules that did not decide. */
  readonly also?: string[];
  readonly policy: string;
  readonly unusual: string[];
  readonly origins: { path: string; origin: string; from: string }[];
  readonly code: string | null;
  /** People are asked for an answer. */
  readonly question?: true;
  /** The approval of an earlier call that allowed this one. */
  readonly under?: { call: number; by: string };
  readonly inspected?: { inspector: string; said: string }[];
  /** The text that its arguments stand in, among what the run had been given; for a call that was not simply allowed. */
  readonly quotes?: QuoteView[];
  readonly people: {
    by: string;
    verdict: 'approve' | 'deny' | 'expired';
    answered?: true;
    reason: string;
    at: number;
    lowered?: { kind: LabelChange['kind']; names: string[] };
    fresh?: true;
    holds?: { for: 'destination' | 'shape'; uses: number; amount?: number; until: number };
    who?: Identity;
  }[];
}

/** Decisions that are kept of a long journal. Those that did not simply allow are kept first. */
const KEPT = 50;

export class Decisions {
  readonly #seen = new Map<number | string, DecisionView>();
  /** By call: who approved it so that it holds for later ones. */
  readonly #approvers = new Map<number, string>();
  readonly #parent: string | undefined;
  readonly #quoted: Quoted | undefined;
  readonly #mayQuote: boolean;

  /**
   * @param parent agent that spawned the run, if a run did
   * @param quoting undefined: nothing is searched
   * @param mayQuote false for a reader who may not see payloads: origins still name the sources of values, and their texts are left out
   */
  constructor(parent: string | undefined, quoting?: Quoting, mayQuote = true) {
    this.#parent = parent;
    this.#quoted = quoting === undefined ? undefined : new Quoted(quoting);
    this.#mayQuote = mayQuote;
  }

  /** The latest, oldest first. */
  get latest(): DecisionView[] {
    const all = [...this.#seen.values()];
    const noted = all.filter(({ verdict }) => verdict !== 'allow').slice(-KEPT);
    const allowed = noted.length === KEPT ? [] : all.filter(({ verdict }) => verdict === 'allow').slice(noted.length - KEPT);
    const quotes = this.#quoted?.quotes((call) => noted.some((one) => one.call === call && one.action === 'call'));
    const quoted = noted.map((one) => {
      const found = one.action === 'call' ? quotes?.get(one.call) : undefined;
      if (found === undefined) return one;
      return { ...one, ...(this.#mayQuote ? { quotes: found } : {}), origins: withShort(one.origins, found) };
    });
    return [...quoted, ...allowed].sort((a, b) => a.call - b.call);
  }

  /** Collects decisions from the pages that pass through. */
  async *through(pages: Pages): AsyncGenerator<readonly Entry[]> {
    for await (const page of pages) {
      for (const entry of page) this.#take(entry);
      yield page;
    }
  }

  #take(entry: Entry): void {
    const { seq, at, decisions, delivery, event } = entry;
    this.#quoted?.take(entry);
    if (delivery?.includes('"inspected"') === true) this.#answers(JSON.parse(delivery) as Delivery, seq, at);
    for (const one of event?.kind === 'inspected' ? [event.decision] : decisions) {
      const target = one.tool ?? one.agent;
      if (
        target === undefined ||
        (one.policy === undefined && one.owner === undefined && one.question === undefined && one.inspected === undefined)
      )
        continue;
      // Events of a run have no numbers.
      this.#seen.set(one.action === 'emit' ? `${seq} ${one.part ?? 0}` : one.id, {
        call: one.id,
        crank: seq,
        at,
        action: one.action ?? 'call',
        tool: target,
        verdict: one.verdict,
        rules: [...(one.rules ?? [])],
        ...(one.also === undefined ? {} : { also: [...one.also] }),
        policy: one.policy ?? '',
        unusual: [...(one.unusual ?? [])],
        origins: (one.origins ?? []).map(([path, origin, place]) => ({ path, origin, from: originText(origin, this.#parent, place) })),
        code: one.code ?? null,
        ...(one.question === undefined ? {} : { question: true as const }),
        ...(one.under === undefined ? {} : { under: { call: one.under.call, by: this.#approvers.get(one.under.call) ?? '' } }),
        ...inspectedView(one.inspected),
        people: [],
      });
    }
    if (event?.kind === 'input_required' && !this.#seen.has(event.id)) this.#seen.set(event.id, inputView(event, seq, at));
    if (event?.kind !== 'approval') return;
    const { by, verdict, reason, relabel, answer, who, fresh, holds } = event;
    if (holds !== undefined) this.#approvers.set(event.id, by);
    const lowered = relabel === undefined ? {} : { lowered: { kind: relabel.kind, names: [...relabel.names] } };
    this.#seen.get(event.id)?.people.push({
      by,
      verdict,
      ...(answer === undefined ? {} : { answered: true as const }),
      reason,
      at,
      ...lowered,
      ...(fresh === undefined ? {} : { fresh }),
      ...(holds === undefined ? {} : { holds: holdsView(holds) }),
      ...(who === undefined ? {} : { who }),
    });
  }

  /** Answers that inspectors looked at. For a stream, the last findings. */
  #answers(delivery: Delivery, crank: number, at: number): void {
    const answers = delivery.kind === 'reply' ? delivery.results : delivery.kind === 'chunk' ? [delivery] : [];
    for (const result of answers) {
      if (result.inspected === undefined) continue;
      const { by, verdict, rules, policy } = result.inspected;
      // Below 0, beside the decision about the call itself.
      this.#seen.set(-result.id, {
        call: result.id,
        crank,
        at,
        action: 'answer',
        tool: this.#seen.get(result.id)?.tool ?? '',
        verdict,
        rules: [...rules],
        policy,
        unusual: [],
        origins: [],
        code: 'error' in result && verdict === 'deny' ? result.error.code : null,
        ...inspectedView(by),
        people: [],
      });
    }
  }
}

const holdsView = ({ scope, uses, amount, until }: StandingGrant) => ({
  for: scope,
  uses,
  ...(amount === undefined ? {} : { amount }),
  until,
});

/** A call that nobody had decided about, and whose tool needs input of people. */
const inputView = ({ id, tool }: Extract<HostEvent, { kind: 'input_required' }>, crank: number, at: number): DecisionView => ({
  call: id,
  crank,
  at,
  action: 'call',
  tool,
  verdict: 'ask',
  rules: [],
  policy: '',
  unusual: [],
  origins: [],
  code: null,
  question: true,
  people: [],
});

const inspectedView = (inspected: Inspected = {}): Pick<DecisionView, 'inspected'> => {
  const all = Object.entries(inspected).map(([inspector, said]) => ({ inspector, said: findingText(said) }));
  return all.length === 0 ? {} : { inspected: all };
};
