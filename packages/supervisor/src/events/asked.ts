/** Describes a call that waits for people, for notifications: nothing in it is private to somebody. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { PendingApproval } from '@corral/broker/ledger/pending';
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Decision } from '@corral/protocol/model/decision';
import type { Tool } from '@corral/protocol/ports/tool';
import { labelOf, questionIn, versionOf } from '../governance/shown.ts';

export interface Asked {
  /** Changes with all that a person decides by. */
  readonly version: string;
  /** The submitter of the run. */
  readonly by: string;
  /** People answer it, and do not approve it. */
  readonly is_question: boolean;
  /** The text of a question, which the agent has written, or the maker of a tool. Absent if it is private to somebody. */
  readonly question?: string;
  /**
   * How much money the call moves, in whole units of the tenant's currency, for a tool that says which argument holds that. Absent if the
   * arguments are private to somebody.
   */
  readonly amount?: number;
  /** The rules that ask, and what is unusual about the call, as policies name both. */
  readonly rules: readonly string[];
  readonly unusual: readonly string[];
  /** People or roles; a person who decides must be all of them. */
  readonly approvers: readonly string[];
  /** How many people must approve. */
  readonly quorum: number;
  /** Milliseconds since 1970. */
  readonly expires_at: number;
}

/** @param tool undefined: its source is gone, and nobody says which argument is the amount */
export function askedOf(
  ledger: Ledger,
  pending: PendingApproval,
  decision: Pick<Decision, 'rules' | 'unusual'>,
  tool: Tool | undefined,
): Asked {
  const { record } = ledger;
  const { input, question } = pending.call;
  const { private_to } = labelOf(ledger, pending);
  const isPublic = private_to.length === 0;
  const money = tool?.annotations.money;
  const amount = isPublic && money !== undefined ? argumentAt(input, money) : undefined;
  const text = isPublic ? questionIn(pending)?.question : undefined;
  return {
    version: versionOf(ledger, pending),
    by: record.submitter ?? record.principal,
    is_question: question === true,
    ...(text === undefined ? {} : { question: text }),
    ...(typeof amount === 'number' ? { amount } : {}),
    rules: decision.rules ?? [],
    unusual: decision.unusual ?? [],
    approvers: pending.approvers ?? [],
    quorum: pending.quorum,
    expires_at: pending.expires_at,
  };
}
