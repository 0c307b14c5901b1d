/**
 * Requests and replies in a ledger: what other runs asked of this run, what it asked of them, and how both end. The store decides in the
 * end: it accepts one answer to a request, even if hosts crash in between.
 */
import type { Purse } from '@corral/policy/capability/purse';
import type { Delivery, PendingDelivery, Result } from '@corral/protocol/wire/delivery';
import type { ReplyEffect } from '@corral/protocol/wire/effect';
import { errorData } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { bounded } from '@corral/protocol/model/outcome';
import type { WaitingOn } from '@corral/protocol/model/run';
import type { Outgoing } from '@corral/protocol/ports/store';
import type { Batch } from '../effects/batch.ts';
import { labelOf, whole } from '../effects/common.ts';
import type { Books } from './books.ts';
import type { Pending } from './pending.ts';
import { Violation } from '../effects/refused.ts';

/** Decides a reply and puts it into the outbox. @throws Violation for a request that the run does not have */
export function decideReply(ledger: Books, seq: number, effect: ReplyEffect, batch: Batch): void {
  const { to, error } = effect;
  if (!ledger.asked.has(to))
    throw new Violation('CORRAL_EFFECT_INVALID', `A reply to ${to.slice(0, 64)}, which the run was not asked or has answered.`);
  const value = whole(ledger, effect.value, 'The reply');
  const [run = '', number = '0'] = to.split(':');
  const id = Number(number);
  const result: Result =
    error === undefined
      ? { id, value }
      : {
          id,
          error: errorData(error.invalid === true ? 'CORRAL_ARGS_INVALID' : 'CORRAL_TOOL_FAILED', bounded(error.message), { call: id }),
        };
  batch.outbox.push({
    to: run as RunId,
    key: `${seq}.${batch.outbox.length}`,
    delivery: { kind: 'reply', results: [result], depth: ledger.depth + 1, ...labelOf(ledger) },
  } satisfies Outgoing);
}

/** Charges the bytes of a reply, as far as the purse has them. */
export function payReply(purse: Purse, effect: ReplyEffect): void {
  const bytes = Buffer.byteLength(JSON.stringify(effect.value ?? effect.error ?? null));
  purse.spend('bytes', Math.max(0, Math.min(bytes, purse.left('bytes'))));
}

/** Timers that this delivery makes unnecessary. */
export function timersEnded(ledger: Books, delivery: Delivery): number[] {
  if (delivery.kind === 'timer') return [delivery.id];
  if (delivery.kind !== 'reply') return [];
  return delivery.results.flatMap(({ id }) => {
    const pending = ledger.pending.get(id);
    return pending?.kind === 'request' && pending.due !== undefined ? [id] : [];
  });
}

/** The time at which a pending effect ends at the latest; undefined if it has none. */
export function dueOf(pending: Pending): number | undefined {
  switch (pending.kind) {
    case 'timer':
      return pending.due;
    case 'approval':
      return pending.expires_at;
    case 'request':
      return pending.due;
    case 'call':
    case 'inspection':
    case 'child':
    case 'decided':
      return undefined;
  }
}

/** Whether a pending effect ends by a time. */
export const isTimed = (pending: Pending | undefined): boolean => pending !== undefined && dueOf(pending) !== undefined;

/** The error result for a request that will not be answered. */
export const unanswered = (id: number, code: 'CORRAL_TIMED_OUT' | 'CORRAL_REVOKED' | 'CORRAL_UNKNOWN_RESULT', message: string): Result => ({
  id,
  error: errorData(code, message, { call: id }),
});

export const decided = (id: number, result: Result): { kind: 'decided'; id: number; delivery: PendingDelivery } => ({
  kind: 'decided',
  id,
  delivery: { kind: 'reply', results: [result] },
});

/** The value of a reply as one JSON value, for provenance. */
export const valueOf = (result: Result): Json => ('value' in result ? result.value : { error: result.error.message });

/** The most serious of the things that the run waits on. */
export function waitingOn(ledger: Books): WaitingOn {
  if (ledger.held !== undefined) return ledger.held === 'upgrade' ? 'upgrade' : 'resolution';
  const idle = ledger.record.service !== undefined && !ledger.asked.turn;
  let waiting: WaitingOn = ledger.listening || idle ? 'message' : 'nothing';
  let approval = false;
  for (const pending of ledger.pending.values()) {
    if (pending.kind === 'call') {
      if (pending.state === 'unknown') return 'resolution';
      waiting = 'call';
    } else if (pending.kind === 'request' || pending.kind === 'inspection') waiting = 'call';
    else if (pending.kind === 'approval') approval = true;
    else if (pending.kind === 'child' && waiting !== 'call') waiting = 'child';
    else if (pending.kind === 'timer' && waiting !== 'call' && waiting !== 'child') waiting = 'timer';
  }
  return approval ? 'approval' : waiting;
}

/** The id of a message, from its place in the inbox. */
export const messageId = (to: RunId, inbox: number) => `${to}:${inbox}`;
