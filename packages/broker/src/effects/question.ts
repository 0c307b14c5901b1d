/** Questions of a run to the owner of its agent: how they are decided, and how an answer becomes the result of the call. */
import type { Decision } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { QUESTIONS } from '@corral/protocol/limits-questions';
import { viewOf } from '@corral/protocol/wire/handle';
import type { Books } from '../ledger/books.ts';
import type { PendingApproval, PendingCall } from '../ledger/pending.ts';
import { decided } from '../ledger/requests.ts';
import type { DecideContext } from './context.ts';
import { Refused } from './refused.ts';

/** The role of the person who answers. The supervisor knows who has it for an agent. */
export const OWNER = 'owner';

function openOf({ pending }: Pick<Books, 'pending'>): number {
  let open = 0;
  for (const one of pending.values()) if (one.kind === 'approval' && one.call.question === true) open += 1;
  return open;
}

/** Why people are not asked for input that the tool of a call needs; undefined if they are. */
export function whyNoInput(ledger: Pick<Books, 'pending'>, { asked_input }: Pick<PendingCall, 'asked_input'>): string | undefined {
  if ((asked_input?.rounds ?? 0) >= QUESTIONS.rounds_per_call.default) return `it has asked ${asked_input?.rounds} times before`;
  return openOf(ledger) >= QUESTIONS.open_per_run.default ? 'too many questions of the run wait for an answer' : undefined;
}

/** @throws Refused if too many questions of the run wait already */
export function mayAsk(ledger: Books): void {
  const open = openOf(ledger);
  if (open >= QUESTIONS.open_per_run.default)
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `${open} questions of the run wait for an answer already.`, 'questions');
}

/** The decision for a question that grant and policies allow. The owner is asked; people whom a rule names have to be the owner as well. */
export function askForAnswer(decision: Decision, { now, approval_ms }: Pick<DecideContext, 'now' | 'approval_ms'>): Partial<Decision> {
  // An answer is one person's word, so a higher quorum could never be reached.
  if ((decision.quorum ?? 1) > 1)
    throw new Refused('CORRAL_DENIED', 'A policy asks for several people about a question, which one person answers.');
  return {
    verdict: 'ask',
    question: true,
    quorum: 1,
    approvers: [...new Set([...(decision.approvers ?? []), OWNER])],
    expires_at: decision.expires_at ?? now + (approval_ms ?? MACHINE.approval_ms.default),
  };
}

/** A person has answered: the answer is the result of the call, and nothing is sent to any tool. */
export function answered(ledger: Books, { id, call }: PendingApproval, value: Json): void {
  const { purse, tally, lastAt, pending } = ledger;
  purse.settle(call.reserved, call.reserved);
  tally.settle(call, call.reserved, lastAt);
  const result = { id, value, ...(call.as_handle === true ? { handle: viewOf(value) } : {}) };
  // The call says that the run reads the result of a trusted tool, also where labels are followed.
  pending.set(id, { ...decided(id, result), call: { ...call, kind: 'call', state: 'going', asked_at: 0 } });
}
