/** Applies an effect to a ledger, with its decision. */
import type { Decision } from '@corral/protocol/model/decision';
import type { CallEffect, Effect, SendEffect, SpawnEffect } from '@corral/protocol/wire/effect';
import { errorData, type ErrorCode } from '@corral/protocol/errors';
import { modelIn, type GrantId, type RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { callOf, openedBy, peeked } from './calls.ts';
import { abort, dispose } from '../dispatch/given-up.ts';
import type { Books } from './books.ts';
import type { PendingApproval } from './pending.ts';
import { readTerms } from '../policies/flow.ts';
import { decided, payReply } from './requests.ts';
import { takePull } from './streams.ts';

/** Applies one effect; effects without a reply have no decision. */
export function takeEffect(ledger: Books, effect: Effect, decision: Decision | undefined): void {
  ledger.effects += 1;
  if (decision !== undefined) ledger.lastId = decision.id;
  switch (effect.kind) {
    case 'call':
      return takeCall(ledger, effect, decision);
    case 'send':
      return takeSend(ledger, effect, decision);
    case 'reply':
      ledger.asked.answered(effect.to);
      payReply(ledger.purse, effect);
      return;
    case 'spawn':
      return takeSpawn(ledger, effect, decision);
    case 'open':
      if (decision?.peeked === true) peeked(ledger, [effect]);
      if (decision?.verdict === 'allow') {
        const { reserved = {} } = decision;
        ledger.purse.reserve(reserved);
        ledger.purse.settle(reserved, reserved);
        ledger.pending.set(effect.id, openedBy(ledger.handles, effect));
      } else refuse(ledger, effect.id, decision);
      return;
    case 'drop':
      ledger.handles.forget(effect.handle);
      return;
    case 'timer':
      ledger.pending.set(effect.id, { kind: 'timer', id: effect.id, due: decision?.due as number });
      return;
    case 'abort':
      abort(ledger, effect.id);
      return;
    case 'pull':
      takePull(ledger, effect.id);
      return;
    case 'dispose':
      dispose(ledger, effect.cap);
      return;
    case 'listen':
      ledger.listening = effect.on;
      return;
    case 'log':
      ledger.logBytes += effect.text.length;
      return;
    case 'emit':
      return;
    case 'checkpoint':
      ledger.checkpointing = effect;
      return;
    case 'finish':
      ledger.finished = effect;
      return;
    default:
      effect satisfies never;
  }
}

/** Whether it is a call of a model about which policies or inspectors are asked, so that its texts are looked up. */
export const isSaid = (effect: Effect, decision: Decision | undefined): effect is CallEffect =>
  effect.kind === 'call' &&
  effect.input !== undefined &&
  (decision?.policy !== undefined || decision?.verdict === 'inspect') &&
  modelIn(decision.tool ?? '') !== undefined;

/** Applies a call with its decision; one that waits for inspectors is applied a second time, with the decision that follows. */
export function takeCall(ledger: Books, effect: CallEffect, decision: Decision | undefined): void {
  if (isSaid(effect, decision)) ledger.flow?.say(effect.input as Json);
  if (decision?.verdict === 'inspect') {
    // It takes a place, so that a run cannot have more inspected at once than it may have under way.
    ledger.inFlight += 1;
    const { id, tool = '', grant, asks = [], inspected = {} } = decision;
    ledger.pending.set(id, { kind: 'inspection', id, effect, tool, grant: grant as GrantId, asks, inspected, since: ledger.lastAt });
    return;
  }
  ledger.calls += 1;
  if (decision?.peeked === true) peeked(ledger, effect.handles);
  if (decision !== undefined && decision.verdict !== 'deny') {
    const reserved = decision.reserved ?? {};
    ledger.purse.reserve(reserved);
    const call = callOf(ledger, effect, decision, reserved);
    ledger.tally.reserve(call.day, reserved);
    ledger.rates.called(call.tool, ledger.lastAt);
    const { under } = decision;
    if (under !== undefined && decision.verdict === 'allow')
      ledger.approvals = ledger.approvals.map((one) =>
        one.call === under.call ? { ...one, used: one.used + 1, spent: one.spent + (under.amount ?? 0) } : one,
      );
    if (decision.verdict === 'allow') begin(ledger, call, decision.request?.due);
    else {
      ledger.pending.set(effect.id, {
        kind: 'approval',
        id: effect.id,
        call,
        grant: decision.grant as GrantId,
        digest: decision.digest ?? '',
        quorum: decision.quorum ?? 1,
        ...(decision.approvers === undefined ? {} : { approvers: decision.approvers }),
        expires_at: decision.expires_at ?? 0,
        since: ledger.lastAt,
        by: [],
      });
    }
  } else {
    // A refused call costs its attempt, not its price.
    ledger.purse.spend('calls', Math.min(1, Math.max(0, ledger.purse.left('calls'))));
    refuse(ledger, effect.id, decision);
  }
}

function takeSend(ledger: Books, effect: SendEffect, decision: Decision | undefined): void {
  if (decision?.peeked === true) peeked(ledger, effect.handles);
  if (decision?.verdict === 'allow' && decision.request !== undefined) {
    const { reserved = {}, grant, peer, request } = decision;
    ledger.purse.reserve(reserved);
    ledger.inFlight += 1;
    const to = { what: 'mailbox', ...(peer === undefined ? {} : { peer }), ...request };
    ledger.pending.set(effect.id, { kind: 'request', id: effect.id, reserved, grant: grant as GrantId, ...to });
  } else if (decision?.verdict === 'allow') {
    ledger.purse.reserve(decision.reserved ?? {});
    ledger.purse.settle(decision.reserved ?? {}, decision.reserved ?? {});
    if (decision.agent !== undefined) ledger.rates.called(`send:${decision.agent}`, ledger.lastAt);
    ledger.pending.set(effect.id, { ...decided(effect.id, { id: effect.id, value: null }), sent: true });
  } else refuse(ledger, effect.id, decision);
}

function takeSpawn(ledger: Books, effect: SpawnEffect, decision: Decision | undefined): void {
  if (decision?.peeked === true) peeked(ledger, effect.handles);
  if (decision?.verdict === 'allow') {
    const reserved = decision.reserved ?? {};
    ledger.purse.reserve(reserved);
    ledger.pending.set(effect.id, { kind: 'child', id: effect.id, run: decision.child as RunId, reserved });
    ledger.caps.set(-effect.id, decision.grant as GrantId);
    if (decision.agent !== undefined) ledger.rates.called(`spawn:${decision.agent}`, ledger.lastAt);
  } else {
    ledger.refused(decision?.limit);
    const outcome = {
      kind: 'denied' as const,
      code: decision?.code ?? 'CORRAL_DENIED',
      message: decision?.message ?? 'The spawn was refused.',
    };
    ledger.pending.set(effect.id, {
      kind: 'decided',
      id: effect.id,
      delivery: { kind: 'child_ended', id: effect.id, run: undefined, outcome, spent: {} },
    });
  }
}

/** Records that a call is sent: to a tool, or as a request to a service. */
export function begin(ledger: Books, call: PendingApproval['call'], due: number | undefined): void {
  ledger.inFlight += 1;
  const { id, tool, reserved, grant } = call;
  const of = call.day === undefined ? {} : { day: call.day };
  if (call.request === undefined) ledger.pending.set(id, { kind: 'call', ...call, state: 'going', asked_at: 0 });
  else ledger.pending.set(id, { kind: 'request', id, what: tool, reserved, grant, ...of, ...(due === undefined ? {} : { due }) });
}

function refuse(ledger: Books, id: number, decision: Decision | undefined): void {
  const code: ErrorCode = decision?.code ?? 'CORRAL_DENIED';
  if (code === 'CORRAL_GRANT_PREDICATE') readTerms(ledger.flow, decision?.message ?? '');
  ledger.refused(decision?.limit);
  const error = errorData(code, decision?.message ?? 'The call was refused.', {
    call: id,
    ...(decision?.limit === undefined ? {} : { limit: decision.limit }),
  });
  ledger.pending.set(id, { kind: 'decided', id, delivery: { kind: 'reply', results: [{ id, error }] } });
}
