/** Calls that people have approved: whether each may still be made, and the agent's error if not. */
import { rulesOf } from '@corral/policy/cedar/verdict';
import { decidingIn } from '@corral/protocol/model/decision';
import type { Result } from '@corral/protocol/wire/delivery';
import { errorData } from '@corral/protocol/errors';
import type { GrantId } from '@corral/protocol/ids';
import { canonical, type Json } from '@corral/protocol/json';
import { asCalled, type Tool } from '@corral/protocol/ports/tool';
import { mayNotHear, untrusted, whyAbsent } from '../effects/common.ts';
import { approversOf, judge } from './evaluate.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PendingApproval, PendingCall } from '../ledger/pending.ts';
import { FREE } from '../accounts/price.ts';
import { boundTo, tooLate } from './relabel.ts';
import { standsAgainst } from '../effects/service.ts';
import type { DecideContext } from '../effects/context.ts';

/**
 * Whether an approved call may be made now: its capability may have been revoked since, and the policies may have changed. Counts the use
 * of its grant.
 * @returns the reason why it may not
 */
export function mayStillCall(
  ledger: Ledger,
  { call, grant, digest, approvers = [], quorum }: PendingApproval,
  context: DecideContext,
): string | undefined {
  const ready = readyFor(ledger, call, grant, call.reserved.bytes ?? 0, context);
  if (typeof ready === 'string') return ready;
  const { tool, input } = ready;
  if (context.digest(canonical(boundTo(input, call.relabel))) !== digest) return 'its arguments are not what was asked about';
  const late = tooLate(ledger, call.relabel);
  if (late !== undefined) return late;
  if (context.policies === undefined) return undefined;
  const { reserved } = call;
  const { verdict } = judge(context.policies, ledger, tool, input, reserved.bytes ?? 0, context, call, inHandles(call));
  if (verdict.decision === 'deny') return `the policies refuse it now (${decidingIn(rulesOf(verdict)).join(', ')})`;
  // The policies may now require other approvers, who have not approved this call. One whose tool needs input was approved by whoever had to.
  if (call.asked_input !== undefined) return undefined;
  if ((verdict.quorum ?? 1) > quorum || approversOf(verdict).some((one) => !approvers.includes(one)))
    return 'the policies ask for somebody else now';
  context.policies.history.note(ledger.record, ledger.version, tool, input);
  return undefined;
}

/**
 * Whether a fork may make a call of its origin. Only the origin's call was decided, so it is decided again; approvals of the origin's
 * call do not count for the fork. The use of the grant is counted in the fork's copy.
 * @returns the reason why it may not
 */
export function mayCallHere(ledger: Ledger, call: PendingCall, context: DecideContext): string | undefined {
  const bytes = (call.inherited?.price ?? call.reserved).bytes ?? 0;
  const ready = readyFor(ledger, call, call.grant, bytes, context);
  if (typeof ready === 'string') return ready;
  if (context.policies === undefined) return undefined;
  const { tool, input } = ready;
  const { verdict, asks } = judge(context.policies, ledger, tool, input, bytes, context, call, inHandles(call));
  const why = verdict.reasons.map(({ policy }) => policy).join(', ');
  if (verdict.decision === 'deny') return why === '' ? 'no policy permits it to this run' : `the policies refuse it to this run (${why})`;
  if (asks) return `the policies ask people about it (${why}), and nobody was asked for this run`;
  context.policies.history.note(ledger.record, ledger.version, tool, input);
  return undefined;
}

const inHandles = ({ handled, input }: PendingApproval['call']) => (handled === undefined ? undefined : { slots: handled, given: input });

/** The tool and its input, if the tool exists and accepts the arguments and the grant is valid; else the reason why not. */
function readyFor(
  ledger: Ledger,
  call: PendingApproval['call'],
  grant: GrantId,
  bytes: number,
  context: DecideContext,
): string | { readonly tool: Tool; readonly input: Json } {
  const offered = context.tool(call.tool);
  if (offered === undefined) return whyAbsent(call.tool, context);
  const stands = standsAgainst(call, context);
  if (stands !== undefined) return stands;
  const parsed = offered.input.check(call.input ?? {});
  if (!parsed.ok) return `${call.tool} no longer takes these arguments`;
  const input = parsed.value as Json;
  const tool = asCalled(offered, input);
  const unheard = mayNotHear(ledger, tool, call.handled);
  if (unheard !== undefined) return unheard;
  const strange = call.handled?.some(({ label }) => label.sticky.untrusted_input) === true;
  const reads = tool.annotations.readOnly && call.relabel === undefined && call.question !== true;
  const refusal = context.grants.check(grant, input, context.now, { bytes, untrusted: strange || untrusted(ledger), reads, counted: true });
  return refusal === undefined ? { tool, input } : refusal.message;
}

/** The result of an approved call whose tool is gone or no longer accepts the arguments. It was not made and costs nothing. */
export function neverMade({ id, tool: name }: PendingCall, tool: Tool | undefined, quarantined: (name: string) => boolean): Result {
  const absent = quarantined(name) ? 'CORRAL_QUARANTINED' : 'CORRAL_CAP_UNKNOWN';
  const [code, why] =
    tool === undefined
      ? ([absent, whyAbsent(name, { quarantined })] as const)
      : (['CORRAL_ARGS_INVALID', `${name} no longer takes these arguments`] as const);
  return { id, error: errorData(code, `The call was approved and not made: ${why}.`, { call: id }), cost: FREE };
}
