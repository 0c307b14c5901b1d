/** Applies a delivery to a ledger: settles the reservations for it, and raises the label by what the run reads. */
import type { Delivery } from '@corral/protocol/wire/delivery';
import { MACHINE } from '@corral/protocol/limits';
import { beginFlow, readAnswer, readFrom, readResult } from '../policies/flow.ts';
import type { Books } from './books.ts';
import { valueOf } from './requests.ts';
import { takeChunk } from './streams.ts';
import { inherited } from '../effects/service.ts';

/** Applies the delivery at the beginning of a crank. @param bytes length of the delivery */
export function takeDelivery(ledger: Books, delivery: Delivery, bytes: number): void {
  ledger.lastAt = delivery.at;
  ledger.handles.take(delivery);
  switch (delivery.kind) {
    case 'start':
      ledger.wall.began_at ??= delivery.at;
      if (ledger.tracked) ledger.flow = beginFlow(ledger.record, delivery, ledger.checkpoint?.label ?? inherited(ledger));
      return;
    case 'reply':
      for (const result of delivery.results) {
        const pending = ledger.pending.get(result.id);
        ledger.pending.delete(result.id);
        readResult(ledger, pending, result);
        if (result.inspected?.cost !== undefined) ledger.tally.settle({ reserved: {} }, result.inspected.cost, delivery.at);
        if (pending?.kind !== 'call' && pending?.kind !== 'request') continue;
        ledger.inFlight -= 1;
        if ('error' in result && result.error.limit === 'bytes') ledger.refused('bytes');
        if (pending.kind === 'request') {
          ledger.depth = Math.max(ledger.depth, delivery.depth ?? 0);
          readFrom(ledger.flow, pending.what, pending.id, delivery.label, valueOf(result));
        }
        const room = Math.max(0, ledger.purse.left('bytes'));
        const spent = { ...pending.reserved, ...result.cost, bytes: (pending.reserved.bytes ?? 0) + Math.min(bytes, room) };
        ledger.purse.settle(pending.reserved, spent);
        ledger.tally.settle(pending, spent, delivery.at);
      }
      return;
    case 'chunk':
      takeChunk(ledger, delivery, bytes);
      return;
    case 'timer':
      ledger.pending.delete(delivery.id);
      return;
    case 'child_ended': {
      const pending = ledger.pending.get(delivery.id);
      ledger.pending.delete(delivery.id);
      ledger.caps.delete(-delivery.id);
      if (pending?.kind === 'child')
        ledger.purse.settle(pending.reserved, { ...delivery.spent, children: 1 + (delivery.spent.children ?? 0) });
      readAnswer(ledger.flow, delivery);
      return;
    }
    case 'message':
      ledger.depth = Math.max(ledger.depth, delivery.depth);
      // Only instances of services count hops. Any other run has one purse for its whole life, which bounds its part in a chain. An
      // instance also acts before it gets the message; until then it has the count of the previous turn.
      if (ledger.record.service !== undefined) ledger.hops = delivery.hops ?? 1;
      ledger.asked.take(delivery);
      for (const { grant } of delivery.caps ?? []) {
        // A capability beyond the limit uses up an index and is not stored.
        if (ledger.caps.size < MACHINE.capabilities.default) ledger.caps.set(ledger.nextCap, grant);
        ledger.nextCap += 1;
      }
      readFrom(ledger.flow, delivery.from.agent, -ledger.effects - 1, delivery.label, delivery.body);
      return;
    case 'cancel':
      if (ledger.cancelled !== undefined) ledger.cancelled = { ...ledger.cancelled, told: true };
      return;
    case 'notice':
      return;
  }
}
