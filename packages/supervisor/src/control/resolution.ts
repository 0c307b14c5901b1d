/** The journal event that settles a call whose result is unknown: by whom, how and why. Used by hosts, and on folders without a host. */
import type { Accounts } from '@corral/broker/accounts/accounts';
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { PendingApproval, PendingCall } from '@corral/broker/ledger/pending';
import { hasBegun, streamOf } from '@corral/broker/ledger/streams';
import { priceOfRetry } from '@corral/broker/accounts/spending';
import { budgetName } from '@corral/protocol/model/cost';
import { CorralError, errorData } from '@corral/protocol/errors';
import { viewOf } from '@corral/protocol/wire/handle';
import type { Json } from '@corral/protocol/json';
import { LIMIT_OF_BUDGET } from '@corral/protocol/limits';
import { QUESTIONS } from '@corral/protocol/limits-questions';
import { ANY_TEXT, wantedText } from '@corral/protocol/model/question';
import type { Entry, HostEvent, RunRecord } from '@corral/protocol/model/run';
import type { Tool } from '@corral/protocol/ports/tool';
import { questionIn } from '../governance/shown.ts';

/** A person's decision about a call whose result is unknown: make it again, supply its result, or let it fail. */
export type Resolution = { readonly how: 'retry' } | { readonly how: 'result'; readonly value: Json } | { readonly how: 'fail' };

/** The person who decides, and the reason; empty if none was given. */
export interface Word {
  readonly by: string;
  readonly reason: string;
}

/** The journal event for a resolution. */
export type Resolved = Extract<HostEvent, { kind: 'resolved' }>;

/**
 * The event that settles a call.
 * @param tool that was called; a supplied result must fit its output schema. Undefined if it is not offered any more: no check then
 * @throws CORRAL_RUN_STATE; CORRAL_BUDGET_EXCEEDED if the purse cannot pay for a retry; CORRAL_REQUEST_INVALID if the result does not fit
 */
export async function resolutionOf(
  ledger: Ledger,
  call: number,
  word: Word,
  resolution: Resolution,
  tool: Tool | undefined,
): Promise<Resolved> {
  return resolvedBy(ledger, call, word, await fitting(resolution, tool, mustWait(ledger, call)));
}

/** Like `resolutionOf`, for a value that was checked. The caller records the event in the same synchronous step. */
export function resolvedBy(ledger: Ledger, call: number, { by, reason }: Word, resolution: Resolution): Resolved {
  const pending = mustWait(ledger, call);
  const said = { kind: 'resolved' as const, id: call, by, ...(reason === '' ? {} : { reason }) };
  switch (resolution.how) {
    case 'retry': {
      if (hasBegun(pending)) {
        const message = `Parts of the answer to call ${call} of ${ledger.record.id} were delivered, so it cannot be made again. Settle it with what ends the answer, or as failed.`;
        throw new CorralError('CORRAL_RUN_STATE', message);
      }
      const again = priceOfRetry(pending);
      const lacks = ledger.purse.lacks(again);
      if (lacks !== undefined) {
        const own = pending.inherited?.price === undefined;
        const why = own ? `Call ${call} may have been paid already, and` : `Call ${call} was not paid for by this run yet, and`;
        const message = `${why} the purse of ${ledger.record.id} does not have its ${budgetName(lacks)}${own ? ' once more' : ''}. Find out what came of it, and settle it with its result or as failed.`;
        throw new CorralError('CORRAL_BUDGET_EXCEEDED', message, { limit: LIMIT_OF_BUDGET[lacks] });
      }
      return { ...said, how: 'retry', ...(Object.keys(again).length === 0 ? {} : { again }) };
    }
    case 'fail': {
      const error = errorData('CORRAL_UNKNOWN_RESULT', 'A person settled the call as failed.', { call });
      return { ...said, how: 'fail', result: { id: call, error } };
    }
    case 'result': {
      const { value } = resolution;
      return { ...said, how: 'result', result: { id: call, value, ...(pending.as_handle === true ? { handle: viewOf(value) } : {}) } };
    }
  }
}

/** @returns the call, if its result is unknown @throws CORRAL_RUN_STATE */
export function mustWait({ pending, record }: Ledger, call: number): PendingCall {
  const asked = pending.get(call);
  if (asked?.kind === 'call' && asked.state === 'unknown') return asked;
  const waiting = [...pending.values()].filter((one) => one.kind === 'call' && one.state === 'unknown').map((one) => one.id);
  const which = waiting.length === 0 ? 'No call of it does' : `These do: ${waiting.join(', ')}`;
  throw new CorralError('CORRAL_RUN_STATE', `Call ${call} of ${record.id} does not wait for a resolution. ${which}.`);
}

/**
 * Reserves the amounts of a call that is made again from the accounts above its run, on the day on which it is made again. The caller must
 * record the returned event in the same synchronous step.
 * @throws CORRAL_SPEND_EXCEEDED
 */
export function reservedAgain(ledger: Ledger, event: Resolved, accounts: Accounts, now: number): Resolved {
  if (event.how !== 'retry') return event;
  // A call without a price in advance reserves nothing, but it is refused too if an account is overdrawn.
  accounts.mustPay(ledger, event.again ?? {}, now);
  if (event.again === undefined) return event;
  const day = accounts.dayFor(ledger.record, event.again, now);
  return day === undefined ? event : { ...event, day };
}

/**
 * Charges an approved call to the day on which it is made, so the accounts above its run must be able to pay on that day. The caller must
 * record the approval in the same synchronous step.
 * @returns the day, if it differs from the day on which the amounts were reserved
 * @throws CORRAL_SPEND_EXCEEDED; then the call waits on
 */
export function paidOn(ledger: Ledger, { call }: PendingApproval, accounts: Accounts, now: number): { readonly day?: string } {
  accounts.mustPay(ledger, call.reserved, now, call.day);
  const day = accounts.dayFor(ledger.record, call.reserved, now);
  return day === undefined || day === call.day ? {} : { day };
}

/**
 * Refuses to make a call again in a fork if people approved it for the origin: an approval holds for one call of one run.
 * @param entries of the fork, including those before the departure
 * @throws CORRAL_RUN_STATE
 */
export function mustBeApprovedHere({ id, origin }: RunRecord, call: number, entries: readonly Entry[]): void {
  if (origin === undefined) return;
  const before = entries.filter(({ seq }) => seq < origin.at);
  const asked = before.flatMap(({ decisions }) => decisions).find((decision) => decision.id === call && decision.verdict === 'ask');
  if (asked === undefined) return;
  const approvals = before.filter(({ event }) => event?.kind === 'approval' && event.id === call && event.verdict === 'approve');
  if (approvals.length < (asked.quorum ?? 1)) return;
  const message = `Call ${call} of ${id} was approved for ${origin.run}, and once. Settle it with its result or as failed, or fork ${origin.run} before it was approved.`;
  throw new CorralError('CORRAL_RUN_STATE', message);
}

/**
 * Refuses a call that the origin of a fork had made, if the fork itself may not make it by its capabilities and the policies.
 * @param why the fork may not make the call; undefined if it may
 * @throws CORRAL_RUN_STATE
 */
export function mustBeAllowedHere({ record: { id, origin } }: Ledger, call: PendingCall, why: string | undefined): void {
  if (why === undefined) return;
  const message = `Call ${call.id} of ${id} was allowed to ${origin?.run ?? 'its origin'}, and cannot be made by this run: ${why}. Settle it with its result or as failed.`;
  throw new CorralError('CORRAL_RUN_STATE', message);
}

/** A result as the tool itself might have given it. @throws CORRAL_REQUEST_INVALID */
export async function fitting(resolution: Resolution, tool: Tool | undefined, call: PendingCall): Promise<Resolution> {
  if (tool === undefined || resolution.how !== 'result') return resolution;
  const output = streamOf(call) === undefined ? tool.output : (tool.end ?? tool.output);
  const { value } = resolution;
  const checked = output.checkLater === undefined ? output.check(value) : await output.checkLater(value);
  if (checked.ok) return { how: 'result', value: (checked.value ?? null) as Json };
  const where = checked.where === '' ? '' : `${checked.where}: `;
  throw new CorralError('CORRAL_REQUEST_INVALID', `${tool.name} gives no such result: ${where}${checked.message}.`);
}

/**
 * A person's answer to a question, as the schema of the question has it.
 * @param tool undefined if it is not offered any more: no check then
 * @throws CORRAL_ANSWER_INVALID, saying which answers the question takes
 */
export function answerTo({ record: { id } }: Ledger, pending: PendingApproval, tool: Tool | undefined, value: Json): Json {
  const { call } = pending;
  const request = call.asked_input?.request;
  const { schema = ANY_TEXT } = questionIn(pending) ?? {};
  const most = QUESTIONS.answer_bytes.default;
  const bytes = Buffer.byteLength(JSON.stringify(value));
  const checked =
    bytes > most
      ? ({ ok: false, where: '', message: `it has ${bytes} bytes, and may have ${most}` } as const)
      : request === undefined
        ? tool?.asks?.(call.input, value)
        : tool?.checkInput?.(request, value);
  if (checked === undefined) return value;
  if (checked.ok) return checked.value as Json;
  const where = checked.where === '' ? '' : `${checked.where}: `;
  throw new CorralError(
    'CORRAL_ANSWER_INVALID',
    `Question ${call.id} of ${id} does not take this answer: ${where}${checked.message}. It takes ${wantedText(schema)}.`,
  );
}

/** Things for which a run needs people: its release, or the results of calls. */
export interface Stuck {
  readonly held: boolean;
  readonly calls: readonly { readonly call: number; readonly tool: string }[];
}

export function stuckOf({ held, pending }: Ledger): Stuck {
  const calls = [...pending.values()].flatMap((one) =>
    one.kind === 'call' && one.state === 'unknown' ? [{ call: one.id, tool: one.tool }] : [],
  );
  return { held: held !== undefined, calls };
}
