/** Decides a message, and what it carries. */
import type { Decision } from '@corral/protocol/model/decision';
import type { SendEffect } from '@corral/protocol/wire/effect';
import { MACHINE } from '@corral/protocol/limits';
import { permitted, receiverOf } from '../policies/evaluate-delegation.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { carriedHandles, heldBytes, slotted } from '../ledger/handles.ts';
import { carried, deriveAll } from './slots.ts';
import { type Batch } from './batch.ts';
import { afford, inChain, json, labelOf, mayKeepMore, refuse, resolve, slotsOf, untrusted } from './common.ts';
import { Refused } from './refused.ts';
import type { DecideContext } from './context.ts';

export function decideSend(ledger: Ledger, seq: number, effect: SendEffect, context: DecideContext, batch: Batch): Decision {
  const handles = slotted(ledger.handles, effect, ['body']);
  const grant = resolve(ledger, effect.cap, context);
  if (grant.target.kind !== 'mailbox')
    throw new Refused('CORRAL_ARGS_INVALID', 'The capability is a tool: call it instead of sending a message to it.');
  const { record } = ledger;
  const slots = slotsOf(ledger, effect.caps, context);
  if (slots.length > MACHINE.message_slots.default)
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `A message carries at most ${MACHINE.message_slots.default} capabilities.`, 'capabilities');
  mayKeepMore(context);
  const behind = heldBytes(handles);
  const { value: body, bytes: written } = json(effect.body ?? null, 'The message', record.ceilings.message_bytes - behind);
  const bytes = written + behind;
  if (ledger.depth >= record.ceilings.message_depth) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The message would be number ${ledger.depth + 1} of its causal chain.`, 'message_depth');
  }
  inChain(ledger);
  if (effect.request !== undefined && ledger.inFlight >= record.ceilings.in_flight)
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `${ledger.inFlight} calls are under way already.`, 'in_flight');
  const reserved = { messages: 1, bytes };
  afford(ledger, reserved);
  const strange = handles.some(({ held }) => held.label.sticky.untrusted_input);
  refuse(context.grants.check(grant.id, body, context.now, { bytes, untrusted: strange || untrusted(ledger), reads: false }));
  const handed = { kind: 'send', agent: receiverOf(ledger, grant), value: body, bytes, slots } as const;
  const judged = permitted(context.policies, ledger, handed, context.now, batch);
  const made = deriveAll(slots, grant.target.run, context);
  if ('code' in made) throw new Refused(made.code, made.message);
  batch.outbox.push({
    to: grant.target.run,
    key: `${seq}.${batch.outbox.length}`,
    delivery: {
      kind: 'message',
      from: { run: record.id, agent: record.agent },
      body,
      ...(effect.request === undefined ? {} : { request: effect.id }),
      ...(made.length === 0 ? {} : { caps: carried(slots, made) }),
      ...carriedHandles(handles),
      depth: ledger.depth + 1,
      ...(ledger.hops === 0 ? {} : { hops: ledger.hops + 1 }),
      ...labelOf(ledger),
    },
    ...(effect.request === undefined ? { sent: effect.id } : {}),
    ...(made.length === 0 ? {} : { grants: made }),
  });
  // The message holds these grants until it has arrived.
  for (const one of made) context.grants.add(one);
  context.grants.use(grant.id, context.now, bytes, batch.uses);
  const decision: Decision = { id: effect.id, verdict: 'allow', grant: grant.id, reserved, ...judged };
  if (effect.request === undefined) return decision;
  const { timeout_ms } = effect.request;
  decision.request = timeout_ms === undefined ? {} : { due: context.now + timeout_ms };
  if (decision.request.due !== undefined) batch.timers.push({ id: effect.id, due: decision.request.due });
  return { ...decision, peer: grant.target.run };
}
