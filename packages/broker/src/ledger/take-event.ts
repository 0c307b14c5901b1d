/** Applies an event of the host to a ledger. */
import type { Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { Budget } from '@corral/protocol/model/manifest';
import type { HostEvent } from '@corral/protocol/model/run';
import { unknownOf } from './calls.ts';
import { askedAgain, withdraw } from '../dispatch/given-up.ts';
import type { Books } from './books.ts';
import { goOn, waitAnew, waitForInput } from './input-request.ts';
import { asUnderWay, needsInput, settledOf, type PendingCall, type PendingRequest } from './pending.ts';
import { decided } from './requests.ts';
import { restoreTo, type LedgerSnapshot } from './snapshot.ts';
import { added } from '../accounts/spending.ts';
import { begin, takeCall } from './take-effect.ts';
import { answered } from '../effects/question.ts';
import { disown } from '../accounts/tally.ts';

/** @param at time of the event, in milliseconds since 1970 */
export function takeEvent(ledger: Books, event: HostEvent, at: number): void {
  switch (event.kind) {
    case 'unknown':
    case 'resolved':
    case 'fenced':
    case 'unanswered':
      return takeAnswer(ledger, event);
    case 'approval':
      approval(ledger, event, at);
      return;
    case 'input_required':
      waitForInput(ledger, event, at);
      return;
    case 'withdrawn':
      ledger.approvals = ledger.approvals.filter(({ call }) => call !== event.id);
      return;
    case 'inspected':
      inspected(ledger, event, at);
      return;
    case 'control':
      ledger.control = event.control;
      ledger.family = event.family;
      if (event.control === 'none') ledger.loops?.resumed();
      return;
    case 'step':
      ledger.loops?.step(event);
      return;
    case 'refusals':
      ledger.loops?.childRefused(event, at, ledger.seq);
      return;
    case 'cancel':
      ledger.cancelled = {
        by: event.by,
        reason: event.reason,
        at,
        ...(event.grace_ms === undefined ? {} : { grace_ms: event.grace_ms }),
        told: false,
      };
      return;
    case 'held':
      ledger.held = event.why;
      return;
    case 'released':
      released(ledger, at);
      return;
    case 'restamped':
      ledger.header = event.header;
      return;
    case 'forked':
      // The fork does not inherit the origin's pause or hold. Its own wall clock starts where the copied journal ends.
      ledger.control = 'none';
      ledger.family = undefined;
      ledger.held = undefined;
      ledger.wall.paused_ms += event.away_ms;
      ledger.wall.paused_at = undefined;
      // A request to stop is inherited, and its grace period starts again.
      if (ledger.cancelled !== undefined) ledger.cancelled = { ...ledger.cancelled, at };
      ledger.loops?.forked();
      // People approved calls of the origin, and none of the fork.
      ledger.approvals = [];
      disown(ledger, event.asks === 'anew', event.pays === 'own');
      return;
    case 'checkpoint':
      restoreTo(ledger, event.ledger as unknown as LedgerSnapshot, event.state, event.unread);
      return;
    case 'upgraded':
      ledger.bundle = event.bundle;
      ledger.version = event.version;
      return;
    case 'ended':
      return;
  }
}

function released(ledger: Books, at: number): void {
  if (ledger.held === 'restored') waitAnew(ledger, at);
  ledger.held = undefined;
}

/** The result of a call or message, or that it is unknown, where it did not come from a tool. */
function takeAnswer(ledger: Books, event: Extract<HostEvent, { kind: 'unknown' | 'resolved' | 'fenced' | 'unanswered' }>): void {
  const found = ledger.pending.get(event.id);
  const pending = event.kind === 'unknown' ? asUnderWay(ledger, found) : found;
  switch (event.kind) {
    case 'unknown': {
      if (pending?.kind !== 'call') return;
      // The message may be the tool's own text, so it counts as such.
      if (event.tell) settleAs(ledger, pending, unknownOf(pending, event.message, event.detail), true);
      else pending.state = 'unknown';
      return;
    }
    case 'resolved': {
      if (pending?.kind !== 'call') return;
      if (event.how === 'retry') again(ledger, pending, event.again, event.day);
      else settleAs(ledger, pending, event.result);
      return;
    }
    case 'fenced': {
      if (pending?.kind !== 'call') return;
      const error = errorData('CORRAL_REVOKED', 'The capability was taken back while the call was under way.', { call: event.id });
      const { cost } = event.result;
      // The run may be reading a chunk of it, whose crank is not in the journal yet.
      settleAs(ledger, pending, { id: event.id, error, ...(cost === undefined ? {} : { cost }) }, pending.stream !== undefined);
      return;
    }
    case 'unanswered': {
      if (pending?.kind === 'request') settleAs(ledger, pending, event.result);
      else if (pending?.kind === 'approval' || pending?.kind === 'inspection') withdraw(ledger, pending, event.result);
      // The message reached nobody: replaces the reply that says it was sent.
      else if (pending?.kind === 'decided') ledger.pending.set(event.id, decided(event.id, event.result));
      return;
    }
  }
}

/** Inspectors have answered about a call that waited for them, and it was decided. */
function inspected(ledger: Books, { id, decision, cost, stop }: Extract<HostEvent, { kind: 'inspected' }>, at: number): void {
  const pending = ledger.pending.get(id);
  if (cost !== undefined) ledger.tally.settle({ reserved: {} }, cost, at);
  if (pending?.kind === 'inspection') {
    ledger.inFlight -= 1;
    ledger.pending.delete(id);
    takeCall(ledger, pending.effect, decision);
  }
  if (stop !== undefined) ledger.control = stop.control;
}

/** A person's verdict on a call, or the end of the time for one. */
function approval(
  ledger: Books,
  { id, by, verdict, reason, relabel: change, answer, day, holds, goes_on }: Extract<HostEvent, { kind: 'approval' }>,
  at: number,
): void {
  const found = ledger.pending.get(id);
  // Older hosts allowed approval of a call that had been given up, and made it.
  const pending = found?.kind === 'decided' && verdict === 'approve' ? askedAgain(ledger, found.asked) : found;
  if (pending?.kind !== 'approval') return;
  if (needsInput(pending) && answer !== undefined) return goOn(ledger, pending, { action: 'accept', value: answer.value });
  if (needsInput(pending) && goes_on === true) return goOn(ledger, pending, { action: verdict === 'deny' ? 'decline' : 'cancel' });
  const { call, quorum } = pending;
  if (verdict === 'approve') {
    const everybody = [...pending.by, by];
    if (answer !== undefined) answered(ledger, pending, answer.value);
    else if (everybody.length < quorum) ledger.pending.set(id, { ...pending, by: everybody });
    else {
      if (change !== undefined && call.relabel?.run === true) ledger.flow?.relabel(change);
      const due = call.timeout_ms === undefined ? undefined : at + call.timeout_ms;
      if (holds !== undefined)
        ledger.approvals = [...ledger.approvals.filter(({ until }) => until > at), { ...holds, call: id, by, used: 0, spent: 0 }];
      if (day !== undefined) ledger.tally.move(call.day, day, call.reserved);
      begin(ledger, { ...call, ...(change === undefined ? {} : { change }), ...(day === undefined ? {} : { day }) }, due);
    }
    return;
  }
  const why = reason === '' ? '' : `: ${reason}`;
  const [late, refused] =
    call.question === true
      ? ['Nobody answered the question in time.', `The question was declined by ${by}${why}.`]
      : ['Nobody decided about the call in time.', `The call was refused by ${by}${why}.`];
  const error =
    verdict === 'expired'
      ? errorData('CORRAL_APPROVAL_EXPIRED', late, { call: id })
      : errorData('CORRAL_APPROVAL_DENIED', refused, { call: id });
  withdraw(ledger, pending, { id, error });
}

/** A call of unknown result is made once more. The reservation for the first time stays and is billed with the rest. */
function again(ledger: Books, call: PendingCall, price: Budget = {}, day?: string): void {
  ledger.purse.reserve(price);
  ledger.tally.reserve(day ?? call.day, price);
  const later = day === undefined ? {} : { later: [...(call.later ?? []), { day, reserved: price }] };
  const { inherited, ...one } = call;
  // The first time that a fork makes a call of its origin does not count as a retry.
  const times = inherited?.price !== undefined || Object.keys(price).length === 0 ? {} : { retried: (call.retried ?? 0) + 1 };
  const from = inherited === undefined ? {} : { inherited: {} };
  ledger.pending.set(call.id, { ...one, reserved: added(call.reserved, price), state: 'going', ...times, ...later, ...from });
}

/** Settles a call whose result does not come from its tool. Its price is billed nevertheless. */
function settleAs(ledger: Books, call: PendingCall | PendingRequest, result: Result, spoken = 'value' in result): void {
  ledger.inFlight -= 1;
  const spent = { ...call.reserved, ...result.cost };
  ledger.purse.settle(call.reserved, spent);
  ledger.tally.settle(call, spent, ledger.lastAt);
  ledger.pending.set(call.id, { ...decided(call.id, result), of: settledOf(call), ...(call.kind === 'call' && spoken ? { call } : {}) });
}
