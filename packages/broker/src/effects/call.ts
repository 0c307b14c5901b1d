/** Decides a call: the capability, its arguments, the purse, the grant, the policies, in this order. */
import { rulesOf } from '@corral/policy/cedar/verdict';
import type { Decision } from '@corral/protocol/model/decision';
import type { CallEffect } from '@corral/protocol/wire/effect';
import type { Grant } from '@corral/protocol/model/grant';
import type { Label } from '@corral/protocol/model/label';
import { modelIn, type GrantId, type ToolName } from '@corral/protocol/ids';
import { canonical, type Json } from '@corral/protocol/json';
import { MACHINE, modelRequestBytes } from '@corral/protocol/limits';
import { asCalled, mayStartEarly, type Tool } from '@corral/protocol/ports/tool';
import type { Grants } from '@corral/policy/capability/grants';
import type { InHandles } from '@corral/policy/flow/facts';
import { filled, handledOf, heldBytes, slotted, type Slotted } from '../ledger/handles.ts';
import { approversOf, consequencesOf, factsOf, judge, originsOf } from '../policies/evaluate.ts';
import { keptWith } from '../ledger/calls.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { askOwner, boundTo, relabelOf } from '../policies/relabel.ts';
import { reachable, serviceIn, toInstance } from './service.ts';
import type { Batch, Dispatch } from './batch.ts';
import { chargeFor } from './charge.ts';
import { inChain, json, mayKeepMore, mayNotHear, refuse, resolve, untrusted, whyAbsent } from './common.ts';
import { standingFor } from '../policies/standing.ts';
import type { Policies } from '../policies/port.ts';
import type { DecideContext, Reached } from './context.ts';
import { askForAnswer, mayAsk } from './question.ts';
import { heldBack } from '../policies/evaluate-passing.ts';
import { mustWait, recorded, whyDenied } from '../policies/inspect.ts';
import { Held, Refused } from './refused.ts';

export function decideCall(ledger: Ledger, seq: number, effect: CallEffect, context: DecideContext, batch: Batch): Decision {
  // Resolved first: a forged handle ends the run, even if the call is invalid for other reasons.
  const slots = slotted(ledger.handles, effect, ['input']);
  const grant = resolve(ledger, effect.cap, context);
  if (grant.target.kind !== 'tool')
    throw new Refused('CORRAL_ARGS_INVALID', 'The capability is a mailbox: send a message to it instead of calling it.');
  const tool = context.tool(grant.target.tool);
  try {
    if (tool === undefined) throw notThere(grant.target.tool, context);
    const suspended = tool.suspended?.();
    if (suspended !== undefined) throw new Refused('CORRAL_TOOL_SUSPENDED', `${tool.name} is suspended: ${suspended}.`);
    return decideOf(ledger, seq, effect, slots, grant, tool, context, batch);
  } catch (error) {
    if (error instanceof Held) throw new Held({ tool: grant.target.tool, grant: grant.id, ...error.more });
    if (!(error instanceof Refused)) throw error;
    // Records the tool that was meant.
    throw new Refused(error.code, error.message, error.limit, { tool: grant.target.tool, grant: grant.id, ...error.more });
  }
}

function decideOf(
  ledger: Ledger,
  seq: number,
  effect: CallEffect,
  slots: readonly Slotted[],
  grant: Grant,
  offered: Tool,
  context: DecideContext,
  batch: Batch,
): Decision {
  const { ceilings } = ledger.record;
  // The cheap checks come first.
  if (ledger.inFlight >= ceilings.in_flight) {
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `${ledger.inFlight} calls are under way already.`, 'in_flight');
  }
  if (offered.asks !== undefined) mayAsk(ledger);
  if (effect.as_handle === true && ledger.handles.size >= MACHINE.handles.default)
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The run holds ${ledger.handles.size} handles already.`, 'handles');
  mayStream(offered, effect);
  mayKeepMore(context);
  const isModel = modelIn(offered.name) !== undefined;
  const most = isModel ? modelRequestBytes(ceilings) : ceilings.message_bytes;
  const limit = isModel && most !== ceilings.message_bytes ? 'model_request_bytes' : 'message_bytes';
  const written = json(effect.input ?? {}, 'The arguments', most - heldBytes(slots), undefined, limit);
  const { value: given, bytes } =
    slots.length === 0 ? written : json(filled(effect.input as Json, slots), 'The arguments', most, undefined, limit);
  const parsed = offered.input.check(given);
  if (!parsed.ok) {
    // The schema's message could contain a part of the value.
    if (slots.length > 0)
      throw new Refused('CORRAL_ARGS_INVALID', `${offered.name} does not take these arguments with what is in the handles.`);
    const { where, message } = parsed;
    throw new Refused(
      'CORRAL_ARGS_INVALID',
      `${offered.name} does not take these arguments: ${where === '' ? '' : `${where}: `}${message}.`,
    );
  }
  // Predicates apply to the arguments as the tool gets them, with the changes that its schema makes.
  const input = parsed.value as Json;
  const tool = asCalled(offered, input);
  const service = serviceIn(tool.name);
  if (service !== undefined && (slots.length > 0 || effect.as_handle === true))
    throw new Refused('CORRAL_ARGS_INVALID', `${tool.name} takes and gives no handles; open it first, or give it to a child.`);
  const reached = service === undefined ? undefined : reach(ledger, service, input, context);
  const besides = reached === undefined ? {} : { messages: 1 };
  const { reserved, price, attempts, day } = chargeFor(ledger, tool, input, bytes, effect.retry, context, batch, besides);
  const { relabels } = tool.annotations;
  const needsPeople = relabels !== undefined || tool.asks !== undefined;
  const handled = handledOf(slots);
  const unheard = mayNotHear(ledger, tool, handled);
  if (unheard !== undefined) throw new Refused('CORRAL_DENIED', `${unheard}.`);
  const strange = handled.some(({ label }) => label.sticky.untrusted_input);
  const use = { bytes, untrusted: strange || untrusted(ledger), reads: tool.annotations.readOnly && !needsPeople };
  refuse(context.grants.check(grant.id, input, context.now, use));
  const decision: Decision = { id: effect.id, verdict: 'allow', tool: tool.name as ToolName, grant: grant.id, reserved };
  if (attempts !== undefined) decision.attempts = attempts;
  if (day !== undefined) decision.day = day;
  if (
    slots.length > 0 &&
    context.grants.looksAt(
      grant.id,
      handled.map(({ path }) => path.join('.')),
    )
  )
    decision.peeked = true;
  if (ledger.loops !== undefined) {
    const { readOnly, resource, polled } = tool.annotations;
    decision.changes = !readOnly;
    if (resource !== undefined) decision.resource = resource;
    if (polled === true) decision.polled = true;
  }
  // Labels depend on the tool's declarations at this time, with policies or without.
  if (ledger.tracked || effect.as_handle === true || slots.length > 0 || needsPeople) decision.tool_facts = factsOf(tool, input);
  const inHandles = slots.length === 0 ? undefined : { slots: handled, given };
  if (context.policies !== undefined)
    Object.assign(decision, byPolicy(ledger, tool, input, { bytes, id: effect.id, inHandles }, context, context.policies, batch, decision));
  if (relabels !== undefined) {
    Object.assign(decision, askOwner(ledger, relabels.owner, given, decision, context));
    const { relabel } = relabelOf(ledger, decision, decision.tool_facts, given, handled);
    decision.digest = context.digest(canonical(boundTo(input, relabel)));
  }
  if (tool.asks !== undefined) {
    Object.assign(decision, askForAnswer(decision, context));
    decision.digest = context.digest(canonical(input));
  }
  context.grants.use(grant.id, context.now, bytes, batch.uses);
  const { id, timeout_ms, retry } = effect;
  // The agent's timeout bounds the wait for approval too.
  if (decision.expires_at !== undefined && timeout_ms !== undefined)
    decision.expires_at = Math.min(decision.expires_at, context.now + timeout_ms);
  if (reached !== undefined) decision.request = timeout_ms === undefined ? {} : { due: context.now + timeout_ms };
  if (decision.verdict === 'ask') batch.timers.push({ id, due: decision.expires_at as number });
  else if (reached !== undefined) {
    batch.outbox.push(toInstance(ledger, id, input, `${seq}.${batch.outbox.length}`, reached));
    if (decision.request?.due !== undefined) batch.timers.push({ id, due: decision.request.due });
  } else {
    batch.dispatches.push({
      id,
      tool,
      input,
      timeout_ms,
      attempts: attempts ?? retry?.attempts,
      price,
      as_handle: effect.as_handle,
      stream: effect.stream === undefined ? undefined : streamFor(context.policies, ledger, tool.name, false),
      unread: effect.as_handle === true || slots.length > 0,
      early: mayStartEarly(tool.annotations),
      trace: grant.trace,
      keeps: tool.keeps && { ...keepsOf(context.grants, grant.id, keptWith(ledger, handled)), answered_below: oldestCall(ledger, id) },
    });
  }
  return decision;
}

/** The part of a call that only a tool which keeps data is told. */
export function keepsOf(grants: Grants, id: GrantId, { label }: { readonly label?: Label }): NonNullable<Dispatch['keeps']> {
  const keeps_for = grants.get(id)?.keeps_for;
  const narrowed = grants.narrowings(id);
  return {
    ...(keeps_for === undefined ? {} : { keeps_for }),
    ...(narrowed.length === 0 ? {} : { narrowed }),
    ...(label === undefined ? {} : { label }),
  };
}

/** The lowest number of the calls that the run has no answer to. The commit that sends this call has the answers to all before. */
const oldestCall = ({ pending }: Ledger, id: number): number =>
  pending.values().reduce((least, one) => (ANSWERED.has(one.kind) ? least : Math.min(least, one.id)), id);
const ANSWERED: ReadonlySet<string> = new Set(['timer', 'child']);

/** @throws Refused for a stream that there cannot be */
function mayStream({ name, streams, annotations }: Tool, { stream, as_handle }: CallEffect): void {
  if (stream === undefined) return;
  if (as_handle !== undefined)
    throw new Refused('CORRAL_STREAM_UNSUPPORTED', 'A stream cannot be held as a handle: each part is read when it comes.');
  if (streams !== true || annotations.relabels !== undefined)
    throw new Refused('CORRAL_STREAM_UNSUPPORTED', `${name} does not answer in parts.`);
}

/** The stream of a call, with what is held back of it. */
export const streamFor = (policies: Policies | undefined, ledger: Ledger, tool: string, asked: boolean): Dispatch['stream'] => ({
  asked,
  tail_chars: policies && heldBack(policies, ledger, tool),
});

/** The instance that a call to a service goes to. @throws Refused if it may not get messages */
export function reach(ledger: Ledger, service: string, input: Json, context: DecideContext): Reached {
  const { depth, record } = ledger;
  const { key } = input as { readonly key: string };
  const reached = reachable(service, key, context);
  if (typeof reached === 'string') throw new Refused('CORRAL_CAP_UNKNOWN', reached);
  if (reached === undefined) throw new Refused('CORRAL_CAP_UNKNOWN', `This host no longer has a service ${service}.`);
  if (reached.stands !== undefined) throw new Refused('CORRAL_QUARANTINED', `${service} is under quarantine: ${reached.stands}.`);
  if (depth >= record.ceilings.message_depth)
    throw new Refused('CORRAL_BUDGET_EXCEEDED', `The request would be number ${depth + 1} of its causal chain.`, 'message_depth');
  inChain(ledger);
  return reached;
}

/** Applies the policies to a call that its grant allows. @throws Refused if they deny it */
function byPolicy(
  ledger: Ledger,
  tool: Tool,
  input: Json,
  { bytes, id, inHandles }: { readonly bytes: number; readonly id: number; readonly inHandles: InHandles | undefined },
  context: DecideContext,
  policies: Policies,
  batch: Batch,
  { changes, resource, polled }: Decision,
): Partial<Decision> {
  const { verdict, flow, facts, looked } = judge(policies, ledger, tool, input, bytes, { ...context, id }, undefined, inHandles);
  if (mustWait(looked, verdict)) {
    const watched = { changes, resource, polled };
    throw new Held({ ...(JSON.parse(JSON.stringify(watched)) as Partial<Decision>), ...recorded(looked), asks: [...looked.asks] });
  }
  const common = {
    tool: tool.name as ToolName,
    policy: verdict.policy_version,
    ...rulesOf(verdict),
    ...recorded(looked),
    tool_facts: facts,
    ...(flow === undefined ? {} : { unusual: [...flow.facts.unusual], origins: originsOf(flow) }),
  };
  if (verdict.decision === 'allow') {
    policies.history.note(ledger.record, ledger.version, tool, input);
    return common;
  }
  if (verdict.consequence === 'approval') {
    const under = inHandles === undefined ? standingFor(ledger, { tool, input, verdict, flow }, context) : undefined;
    if (under !== undefined) {
      policies.history.note(ledger.record, ledger.version, tool, input);
      return { ...common, under };
    }
    const expires_at = context.now + (context.approval_ms ?? MACHINE.approval_ms.default);
    const approvers = approversOf(verdict);
    return {
      ...common,
      verdict: 'ask',
      quorum: verdict.quorum ?? 1,
      ...(approvers.length === 0 ? {} : { approvers }),
      expires_at,
      digest: context.digest(canonical(input)),
    };
  }
  consequencesOf(verdict, batch);
  const why = whyDenied(verdict, looked);
  throw new Refused('CORRAL_DENIED', `${tool.name} was refused ${why}.`, undefined, common);
}

function notThere(tool: string, context: DecideContext): Refused {
  return context.quarantined?.(tool) === true
    ? new Refused('CORRAL_QUARANTINED', `${whyAbsent(tool, context)}: no call to it is made until the quarantine is lifted.`)
    : new Refused('CORRAL_CAP_UNKNOWN', `This host no longer offers ${tool}.`);
}
