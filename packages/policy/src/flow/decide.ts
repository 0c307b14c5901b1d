/**
 * The default pack in TypeScript: the rules of pack/default.cedar, under the same names. It is used where no Cedar engine is
 * loaded, and as the oracle of the test that compares the two. Change both or neither.
 */
import type { FlowFacts } from './facts.ts';

export interface FlowDecision {
  readonly verdict: 'allow' | 'approval' | 'deny';
  /** Ids of the rules that oppose the call; empty when it is allowed. */
  readonly rules: readonly string[];
}

/** Further facts about a call that the pack uses; members of Cedar's `context.call`. */
export interface CallFacts {
  /** This version of the agent has never used this tool. */
  readonly first_use: boolean;
  /** Money the call moves, in units of its currency; undefined if none. */
  readonly amount?: number;
  /** Calls of this run to this tool within the last minute, without this one. */
  readonly last_minute: number;
}

/** The numbers in the pack. A host that needs others writes them into its own copy of the text. */
export const PACK_LIMITS = { amount: 1000, per_minute: 30 } as const;

interface Rule {
  readonly id: string;
  readonly denial: 'approval' | 'deny';
  /** Whether the rule opposes an outside effect. */
  readonly against: (flow: FlowFacts, call: CallFacts) => boolean;
}

const strange = ({ destination_origin }: FlowFacts) =>
  destination_origin === 'untrusted' || destination_origin === 'model' || destination_origin === 'quoted';

/** The principal did not ask for such an effect; or that is unclear, and it contains a stranger's words. */
const notPlainlyAsked = ({ requested, argument_origin, foreign_identifier }: FlowFacts) =>
  requested === 'no' || (requested === 'open' && (argument_origin === 'untrusted' || foreign_identifier));

export const RULES: readonly Rule[] = [
  {
    id: 'private-data-stays',
    denial: 'deny',
    against: (flow) =>
      (flow.untrusted_input || flow.steered_by_handle) &&
      flow.carries_private &&
      flow.destination_origin === 'untrusted' &&
      flow.requested !== 'yes',
  },
  { id: 'steered-by-handle', denial: 'approval', against: (flow) => flow.steered_by_handle },
  {
    id: 'strange-destination',
    denial: 'approval',
    against: (flow) => flow.effect === 'change' && flow.untrusted_input && strange(flow),
  },
  {
    id: 'composed-address',
    denial: 'approval',
    against: (flow) => flow.effect === 'fetch' && flow.untrusted_input && strange(flow) && !flow.destination_literal,
  },
  {
    id: 'selected-destination',
    denial: 'approval',
    against: (flow) => flow.untrusted_input && flow.destination_origin === 'selected' && (flow.unasked_link || notPlainlyAsked(flow)),
  },
  {
    id: 'trusted-destination',
    denial: 'approval',
    against: (flow) => flow.untrusted_input && flow.destination_origin === 'trusted' && (flow.foreign_identifier || notPlainlyAsked(flow)),
  },
  {
    id: 'user-destination',
    denial: 'approval',
    against: (flow) =>
      flow.untrusted_input &&
      flow.destination_origin === 'user' &&
      (flow.unasked_link || (flow.requested === 'no' && flow.argument_origin !== 'user' && flow.argument_origin !== 'none')),
  },
  {
    id: 'untrusted-arguments',
    denial: 'approval',
    against: (flow) =>
      flow.untrusted_input && flow.destination_origin === 'none' && (flow.argument_origin === 'untrusted' || flow.foreign_identifier),
  },
  {
    id: 'not-asked-for',
    denial: 'approval',
    against: (flow) =>
      flow.effect === 'change' &&
      flow.untrusted_input &&
      flow.destination_origin === 'none' &&
      flow.requested === 'no' &&
      flow.argument_origin !== 'user',
  },
  { id: 'money', denial: 'approval', against: (_, call) => call.amount !== undefined && !(call.amount <= PACK_LIMITS.amount) },
  { id: 'first-use', denial: 'approval', against: (_, call) => call.first_use },
  { id: 'rate', denial: 'deny', against: (_, call) => call.last_minute >= PACK_LIMITS.per_minute },
];

/** Decides one call. A denial outweighs an approval; all rules that oppose the call are named. */
export function decideFlow(flow: FlowFacts, call: CallFacts): FlowDecision {
  if (flow.effect === 'none') return { verdict: 'allow', rules: [] };
  const against = RULES.filter((rule) => rule.against(flow, call));
  if (against.length === 0) return { verdict: 'allow', rules: [] };
  return { verdict: against.some((rule) => rule.denial === 'deny') ? 'deny' : 'approval', rules: against.map((rule) => rule.id) };
}
