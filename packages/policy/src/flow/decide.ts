/**
 * The default pack in TypeScript: what pack/default.cedar says, rule by rule, under the same names. It serves where no Cedar
 * engine is loaded and as the oracle of the test that holds the two together. Change both or neither.
 */
import type { FlowFacts } from './facts.ts';

export interface FlowDecision {
  readonly verdict: 'allow' | 'approval' | 'deny';
  /** Ids of the rules that stood against the call; empty when it is allowed. */
  readonly rules: readonly string[];
}

/** What a host may set without writing policy. In Cedar these are attributes of `context.limits`. */
export interface FlowLimits {
  /** Amounts above it need the owner, whoever named the destination. Minor units. */
  readonly money_minor: number;
  /** Outside effects of one run without asking. */
  readonly outside_calls: number;
  /** Whether the first use of a tool by a new version needs approval. */
  readonly ask_first_use: boolean;
}

export const FLOW_LIMITS: FlowLimits = { money_minor: 1_000_00, outside_calls: 100, ask_first_use: true };

interface Rule {
  readonly id: string;
  readonly denial: 'approval' | 'deny';
  /** Whether it stands against an outside effect. */
  readonly against: (flow: FlowFacts, limits: FlowLimits) => boolean;
}

const strange = ({ destination_origin }: FlowFacts) =>
  destination_origin === 'untrusted' || destination_origin === 'model' || destination_origin === 'quoted';

export const RULES: readonly Rule[] = [
  {
    id: 'private-data-stays',
    denial: 'deny',
    against: (flow) =>
      flow.untrusted_influence && flow.carries_private && flow.destination_origin === 'untrusted' && flow.requested !== 'yes',
  },
  {
    id: 'strange-destination',
    denial: 'approval',
    against: (flow) => flow.effect === 'change' && flow.untrusted_influence && strange(flow),
  },
  {
    id: 'composed-address',
    denial: 'approval',
    against: (flow) => flow.effect === 'fetch' && flow.untrusted_influence && strange(flow) && !flow.destination_literal,
  },
  {
    id: 'selected-destination',
    denial: 'approval',
    against: (flow) => flow.untrusted_influence && flow.destination_origin === 'selected' && flow.requested !== 'yes',
  },
  {
    id: 'trusted-destination',
    denial: 'approval',
    against: (flow) => flow.untrusted_influence && flow.destination_origin === 'trusted' && (flow.requested !== 'yes' || flow.unasked_link),
  },
  {
    id: 'user-destination',
    denial: 'approval',
    against: (flow) =>
      flow.untrusted_influence &&
      flow.destination_origin === 'user' &&
      (flow.unasked_link || (flow.requested === 'no' && (flow.argument_origin === 'untrusted' || flow.foreign_identifier))),
  },
  {
    id: 'untrusted-arguments',
    denial: 'approval',
    against: (flow) =>
      flow.untrusted_influence && flow.destination_origin === 'none' && (flow.argument_origin === 'untrusted' || flow.foreign_identifier),
  },
  {
    id: 'not-asked-for',
    denial: 'approval',
    against: (flow) =>
      flow.effect === 'change' &&
      flow.untrusted_influence &&
      flow.destination_origin === 'none' &&
      flow.requested === 'no' &&
      flow.argument_origin !== 'user',
  },
  { id: 'money', denial: 'approval', against: (flow, limits) => flow.amount_minor > limits.money_minor },
  { id: 'first-use', denial: 'approval', against: (flow, limits) => limits.ask_first_use && flow.first_use },
  { id: 'many-effects', denial: 'approval', against: (flow, limits) => flow.outside_calls >= limits.outside_calls },
];

/** Judges one call. A denial outweighs an approval; all rules that stand against the call are named. */
export function decideFlow(flow: FlowFacts, limits: FlowLimits = FLOW_LIMITS): FlowDecision {
  if (flow.effect === 'none') return { verdict: 'allow', rules: [] };
  const against = RULES.filter((rule) => rule.against(flow, limits));
  if (against.length === 0) return { verdict: 'allow', rules: [] };
  return { verdict: against.some((rule) => rule.denial === 'deny') ? 'deny' : 'approval', rules: against.map((rule) => rule.id) };
}
