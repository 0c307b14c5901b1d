/**
 * A call whose tool needs input of people. It waits for them as a question does, with the tool's request in the place of its own; then it is a call
 * under way again, with what became of the request.
 */
import type { HostEvent } from '@corral/protocol/model/run';
import type { GivenInput } from '@corral/protocol/model/question';
import { OWNER } from '../effects/question.ts';
import type { Books } from './books.ts';
import { needsInput, type PendingApproval } from './pending.ts';
import { begin } from './take-effect.ts';

type Requested = Extract<HostEvent, { kind: 'input_required' }>;

/** The call waits for people. @param at milliseconds since 1970 */
export function waitForInput(ledger: Books, { id, request, digest, expires_at }: Requested, at: number): void {
  const pending = ledger.pending.get(id);
  if (pending?.kind !== 'call' || pending.state !== 'going') return;
  const { kind: _kind, state: _state, asked_at: _asked, given_up: _given, asked_input, ...call } = pending;
  ledger.inFlight -= 1;
  ledger.pending.set(id, {
    kind: 'approval',
    id,
    call: { ...call, question: true, asked_input: { rounds: (asked_input?.rounds ?? 0) + 1, request } },
    grant: call.grant,
    digest,
    quorum: 1,
    approvers: [OWNER],
    expires_at,
    since: at,
    by: [],
  });
}

/** The run goes on that people could not answer while it was held after a backup: its questions have their whole time from here on. */
export function waitAnew({ pending }: Books, at: number): void {
  for (const one of pending.values())
    if (needsInput(one)) pending.set(one.id, { ...one, since: at, expires_at: at + (one.expires_at - one.since) });
}

/** The call goes on with what became of the request. */
export function goOn(ledger: Books, { call }: PendingApproval, said: Omit<GivenInput, 'state'>): void {
  const { asked_input, question: _question, ...rest } = call;
  const state = asked_input?.request?.state ?? null;
  begin(ledger, { ...rest, asked_input: { rounds: asked_input?.rounds ?? 0, given: { ...said, state } } }, undefined);
}
