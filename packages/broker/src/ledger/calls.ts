/** A call as the ledger stores it while it is under way or waits for approval: its arguments with the values of their handles filled in. */
import { CLEAN, join, type Label } from '@corral/policy/flow/labels';
import type { Handled } from '@corral/policy/flow/handled';
import type { Decision } from '@corral/protocol/model/decision';
import type { Result } from '@corral/protocol/wire/delivery';
import type { CallEffect, OpenEffect } from '@corral/protocol/wire/effect';
import { errorData } from '@corral/protocol/errors';
import type { GrantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Budget } from '@corral/protocol/model/manifest';
import { filled, handledOf, slotted, type Handles } from './handles.ts';
import type { Books } from './books.ts';
import type { Pending, PendingApproval, PendingCall } from './pending.ts';
import { relabelOf } from '../policies/relabel.ts';
import { UNREAD_STREAM } from './streams.ts';

export function callOf(ledger: Books, effect: CallEffect, decision: Decision, reserved: Budget): PendingApproval['call'] {
  const slots = slotted(ledger.handles, effect, ['input']);
  const input = filled(effect.input as Json, slots);
  const handled = handledOf(slots);
  return {
    id: effect.id,
    tool: decision.tool as string,
    input,
    reserved,
    ...(decision.day === undefined ? {} : { day: decision.day }),
    timeout_ms: effect.timeout_ms,
    ...attemptsAt(effect, decision),
    grant: decision.grant as GrantId,
    facts: decision.tool_facts,
    ...(decision.inspected === undefined ? {} : { inspected: decision.inspected }),
    ...(decision.request === undefined ? {} : { request: true as const }),
    ...(decision.question === undefined ? {} : { question: true as const }),
    ...(slots.length === 0 ? {} : { handled }),
    ...(decision.tool_facts?.keeps === true ? keptWith(ledger, handled) : {}),
    ...(effect.as_handle === undefined ? {} : { as_handle: effect.as_handle }),
    ...(effect.stream === undefined ? {} : { stream: UNREAD_STREAM }),
    ...relabelOf(ledger, decision, decision.tool_facts, input, handled),
  };
}

/**
 * The label that arguments are kept with. The mark for outside effects belongs to the run and not to a value.
 * @returns nothing where labels are not tracked
 */
export function keptWith({ flow }: Pick<Books, 'flow'>, handled: readonly Handled[]): { readonly label?: Label } {
  if (flow === undefined) return {};
  const label = handled.reduce((all, one) => join(all, one.label), flow.label);
  return { label: { ...label, sticky: { ...label.sticky, outside_effect: false } } };
}

/**
 * Raises the label by those of the handles in an effect: the decision about it reveals something of their values, which counts as reading
 * them.
 */
export function peeked({ handles, flow }: Books, slots: readonly { readonly handle: number }[] = []): void {
  for (const { handle } of slots) flow?.raise(handles.labelOf(handle) ?? CLEAN);
}

/** The reply to an `open` effect, with the value behind the handle. */
export function openedBy(handles: Handles, { id, handle, at }: OpenEffect): Pending {
  const { value, label, source } = handles.get(handle, at);
  return { kind: 'decided', id, delivery: { kind: 'reply', results: [{ id, value }] }, opened: { source, label } };
}

/** Whether the agent may not read the call's arguments or result. */
export const isUnread = ({ as_handle, handled }: PendingApproval['call']): boolean => as_handle === true || handled !== undefined;

/** The reply for a call whose result is lost. */
export function unknownOf(call: PendingCall, message: string, detail?: string): Result {
  const error = errorData('CORRAL_UNKNOWN_RESULT', message, { call: call.id });
  return { id: call.id, error, ...(isUnread(call) ? { unread: true } : {}), ...(detail === undefined ? {} : { detail }) };
}

/** Maximum number of attempts, if the agent or the price limits them. */
function attemptsAt(effect: CallEffect, decision: Decision): { readonly attempts?: number } {
  const attempts = decision.attempts ?? effect.retry?.attempts;
  return attempts === undefined ? {} : { attempts };
}
