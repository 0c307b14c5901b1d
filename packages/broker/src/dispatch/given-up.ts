/**
 * Calls that nobody awaits any more. One that still waited for people is withdrawn: it can be neither approved nor made. One that
 * was decided and has not left for its tool never leaves.
 */
import type { Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { Batch } from '../effects/batch.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Pending, PendingApproval } from '../ledger/pending.ts';
import { FREE } from '../accounts/price.ts';
import { decided } from '../ledger/requests.ts';

/** Settles what was reserved for a call that waited for people: it costs its attempt, not its price. */
export function withdraw({ pending, purse, tally, lastAt }: Ledger, asked: PendingApproval, result: Result): void {
  const { id, call } = asked;
  const spent = { calls: Math.min(1, call.reserved.calls ?? 0) };
  purse.settle(call.reserved, spent);
  tally.settle(call, spent, lastAt);
  pending.set(id, { ...decided(id, result), asked });
}

/** What a run gives up, as its ledger learns it: a timer is gone, a call that waits for people is withdrawn. */
export function abort(ledger: Ledger, id: number): void {
  const pending = ledger.pending.get(id);
  if (pending?.kind === 'timer') ledger.pending.delete(id);
  else if (pending?.kind === 'approval')
    withdraw(ledger, pending, givenUp(id, 'The call was given up before anybody had decided about it.'));
  // It goes on being pending until its tool has answered.
  else if (pending?.kind === 'call') ledger.pending.set(id, { ...pending, given_up: true });
}

/** The run lets go of a capability, and with it of what it had asked people to let it do with that. */
export function dispose(ledger: Ledger, cap: number): void {
  const asked = askedUnder(ledger, cap);
  ledger.caps.delete(cap);
  for (const one of asked)
    withdraw(ledger, one, givenUp(one.id, 'The capability was let go of before anybody had decided about the call.'));
}

/** Calls that wait for people under a capability which the run holds by this index alone. */
export function askedUnder({ pending, caps }: Ledger, cap: number): readonly PendingApproval[] {
  const grant = caps.get(cap);
  if (grant === undefined || [...caps].some(([other, id]) => other !== cap && id === grant)) return [];
  return [...pending.values()].filter((one): one is PendingApproval => one.kind === 'approval' && one.grant === grant);
}

/** A timer of a run is not needed any more, be it that it was set in this same crank. */
export function callOff(batch: Batch, id: number): void {
  const at = batch.timers.findIndex((timer) => timer.id === id);
  if (at < 0) batch.timersDone.push(id);
  else batch.timers.splice(at, 1);
}

/** A call that waited for people is waited for no longer. */
export function callOffApproval(batch: Batch, id: number): void {
  callOff(batch, id);
  batch.withdrawn.push(id);
}

/** The result of a call that was given up before it left: it cost nothing. */
export function neverLeft(pending: Pending | undefined): Result | undefined {
  if (pending?.kind !== 'call' || pending.given_up !== true) return undefined;
  return { ...givenUp(pending.id, 'The call was given up before it had left.'), cost: FREE };
}

export function givenUp(id: number, message: string): Result {
  return { id, error: errorData('CORRAL_CALL_GIVEN_UP', message, { call: id }) };
}

/** A call that was withdrawn waits for people after all. */
export function askedAgain({ purse, tally, pending, lastAt }: Ledger, asked: PendingApproval | undefined): PendingApproval | undefined {
  if (asked === undefined) return undefined;
  const { reserved, day } = asked.call;
  const attempt = { calls: -Math.min(1, reserved.calls ?? 0) };
  purse.settle({}, attempt);
  purse.reserve(reserved);
  tally.settle({ reserved: {}, ...(day === undefined ? {} : { day }) }, attempt, lastAt);
  tally.reserve(day, reserved);
  pending.set(asked.id, asked);
  return asked;
}
