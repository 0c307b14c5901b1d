/**
 * Calls that nobody awaits any more. A call that waits for approval is withdrawn, so it can be neither approved nor made. A call that was
 * decided but not sent is never sent.
 */
import type { Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { Batch } from '../effects/batch.ts';
import type { Books } from '../ledger/books.ts';
import { settledOf, type Pending, type PendingApproval, type PendingInspection } from '../ledger/pending.ts';
import { FREE } from '../accounts/price.ts';
import { decided } from '../ledger/requests.ts';

/** Settles a call that waited for approval or for inspectors: it costs its attempt and not its price. */
export function withdraw(ledger: Books, asked: PendingApproval | PendingInspection, result: Result): void {
  const { pending, purse, tally, lastAt } = ledger;
  if (asked.kind === 'inspection') {
    // Nothing was reserved for it yet.
    ledger.inFlight -= 1;
    purse.spend('calls', Math.min(1, Math.max(0, purse.left('calls'))));
    pending.set(asked.id, { ...decided(asked.id, result), of: settledOf(asked) });
    return;
  }
  const { id, call } = asked;
  const spent = { calls: Math.min(1, call.reserved.calls ?? 0) };
  purse.settle(call.reserved, spent);
  tally.settle(call, spent, lastAt);
  pending.set(id, { ...decided(id, result), asked });
}

/** Applies an abort to the ledger: removes a timer, withdraws a call that waits for approval, marks a call under way. */
export function abort(ledger: Books, id: number): void {
  const pending = ledger.pending.get(id);
  if (pending?.kind === 'timer') ledger.pending.delete(id);
  else if (pending?.kind === 'approval' || pending?.kind === 'inspection')
    withdraw(ledger, pending, givenUp(id, 'The call was given up before anybody had decided about it.'));
  // The call stays pending until its tool has answered.
  else if (pending?.kind === 'call') ledger.pending.set(id, { ...pending, given_up: true });
}

/** Applies a dispose: removes the capability and withdraws calls under it that wait for approval. */
export function dispose(ledger: Books, cap: number): void {
  const asked = askedUnder(ledger, cap);
  ledger.caps.delete(cap);
  for (const one of asked)
    withdraw(ledger, one, givenUp(one.id, 'The capability was let go of before anybody had decided about the call.'));
}

/** Calls that wait for approval or inspectors under this capability, if the run holds its grant by no other index. */
export function askedUnder({ pending, caps }: Books, cap: number): readonly (PendingApproval | PendingInspection)[] {
  const grant = caps.get(cap);
  if (grant === undefined || [...caps].some(([other, id]) => other !== cap && id === grant)) return [];
  return [...pending.values()].filter(
    (one): one is PendingApproval | PendingInspection => (one.kind === 'approval' || one.kind === 'inspection') && one.grant === grant,
  );
}

/** Removes a timer of a run, even one that was set in this crank. */
export function callOff(batch: Batch, id: number): void {
  const at = batch.timers.findIndex((timer) => timer.id === id);
  if (at < 0) batch.timersDone.push(id);
  else batch.timers.splice(at, 1);
}

/** Removes the timer of an approval and reports the withdrawal. */
export function callOffApproval(batch: Batch, id: number): void {
  callOff(batch, id);
  batch.withdrawn.push(id);
}

/** The result of a call that was given up before it was sent; it cost nothing. Undefined for other calls. */
export function neverLeft(pending: Pending | undefined): Result | undefined {
  if (pending?.kind !== 'call' || pending.given_up !== true) return undefined;
  return { ...givenUp(pending.id, 'The call was given up before it had left.'), cost: FREE };
}

export function givenUp(id: number, message: string): Result {
  return { id, error: errorData('CORRAL_CALL_GIVEN_UP', message, { call: id }) };
}

/** Undoes a withdrawal: the call waits for approval again. */
export function askedAgain({ purse, tally, pending, lastAt }: Books, asked: PendingApproval | undefined): PendingApproval | undefined {
  if (asked === undefined) return undefined;
  const { reserved, day, tool } = asked.call;
  const attempt = { calls: -Math.min(1, reserved.calls ?? 0) };
  purse.settle({}, attempt);
  purse.reserve(reserved);
  tally.settle({ reserved: {}, tool, ...(day === undefined ? {} : { day }) }, attempt, lastAt);
  tally.reserve(day, reserved);
  pending.set(asked.id, asked);
  return asked;
}
