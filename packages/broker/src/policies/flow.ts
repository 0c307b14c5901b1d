/** Where a run's knowledge of information flow begins, and how what others tell it gets in. */
import { echoes } from '@corral/policy/flow/echo';
import { deedOf } from '@corral/policy/flow/intent';
import { CLEAN } from '@corral/policy/flow/labels';
import { withoutInfluence } from '@corral/policy/flow/narrow';
import { FlowRun } from '@corral/policy/flow/run';
import type { ChildEndedDelivery, Result, StartDelivery } from '@corral/protocol/wire/delivery';
import type { ErrorCode, ErrorData } from '@corral/protocol/errors';
import { canonical, type Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import type { RunRecord } from '@corral/protocol/model/run';
import { insideOf } from '../ledger/handles.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Pending, PendingCall } from '../ledger/pending.ts';

/**
 * A run that a person submitted begins with their words and a clean label; a child with its spawner's label, and with words
 * that are as good as that. After a checkpoint the results behind the label are not at hand, so whatever is unknown counts as
 * untrusted.
 */
export function beginFlow(record: RunRecord, start: StartDelivery, carried: Label | undefined): FlowRun {
  const label = carried ?? record.label ?? CLEAN;
  const past = carried === undefined || isClean(carried) ? 'none' : 'unknown';
  // What an instance is asked comes in messages, with the word of whoever asks; it has no principal's words of its own.
  if (record.service !== undefined) return new FlowRun(null, label, past);
  if (record.parent === undefined || isClean(record.label)) return new FlowRun(start.input, label, past);
  const flow = new FlowRun(null, label, past);
  readFrom(flow, record.parent.agent, 0, record.label, start.input);
  return flow;
}

/** Something another run said was read. */
export function readFrom(flow: FlowRun | undefined, who: string, call: number, label: Label | undefined, value: Json): void {
  if (flow === undefined) return;
  if (label !== undefined) flow.raise(label);
  flow.provenance.result({ call, tool: who, trusted: isClean(label), private: label?.sticky.private_data === true, args: {} }, value);
}

/**
 * A child's end was read: its output, or what it said of its failure, which it may have copied from what it read. A narrow answer
 * raises the label by what is private in it, and vouches for nothing: where it is used as an argument, it came from nowhere.
 */
export function readAnswer(flow: FlowRun | undefined, { id, label, outcome, narrowed }: ChildEndedDelivery): void {
  if (narrowed === true) {
    if (label !== undefined) flow?.raise(label);
  } else if (outcome.kind === 'completed') readFrom(flow, 'child', id, label, outcome.output);
  else if (label !== undefined) readFrom(flow, 'child', id, label, outcome);
}

export const isClean = (label: Label | undefined): boolean => label === undefined || !label.sticky.untrusted_input;

/** What an effect was answered with was read, which raises the run's label; or was put behind a handle, which does not. */
export function readResult(ledger: Ledger, asked: Pending | undefined, result: Result): void {
  const call = asked?.kind === 'decided' ? asked.call : asked;
  if (!('value' in result)) {
    if (call?.kind === 'call') readError(ledger, call, result);
  } else if (call?.kind === 'call') readCall(ledger, call, result);
  else if (asked?.kind === 'decided' && asked.opened !== undefined)
    ledger.flow?.opened(asked.id, asked.opened.source, asked.opened.label, result.value);
}

/** What a tool says of its failure is as much its own as what it returns; the host's own words are not. */
function readError({ flow }: Ledger, call: PendingCall, { error, unread }: Extract<Result, { error: ErrorData }>): void {
  const { id, tool, facts, input } = call;
  if (flow === undefined || facts === undefined || unread === true || error.message === '' || !TOOLS_OWN.has(error.code)) return;
  const { returns, destinations, private_to } = facts;
  const flowTool = { name: tool, effect: 'none' as const, destinations, deed: deedOf(tool) };
  flow.read({ call: id, tool: flowTool, returns, args: input, ...(private_to === undefined ? {} : { private_to }) }, error.message);
}
const TOOLS_OWN: ReadonlySet<string> = new Set<ErrorCode>(['CORRAL_TOOL_FAILED', 'CORRAL_UNKNOWN_RESULT']);

function readCall({ flow, handles }: Ledger, call: PendingCall, { value, handle }: Extract<Result, { value: Json }>): void {
  const { id, tool, facts, input, handled = [], change } = call;
  // An owner has vouched for what they were shown and for nothing else.
  const vouched = change !== undefined && canonical(value) === canonical((input as { value?: Json }).value ?? null) ? change : undefined;
  if (handle !== undefined) handles.add({ value, source: tool, label: vouched?.after ?? insideOf(tool, facts, flow?.label, handled) });
  if (flow === undefined || facts === undefined) return;
  const { effect, returns, destinations, private_to } = facts;
  const flowTool = { name: tool, effect, destinations, deed: deedOf(tool) };
  if (handle !== undefined) return flow.held({ tool: flowTool, args: input });
  if (vouched !== undefined) return flow.vouched(id, vouched, value);
  // A trusted tool that repeats what was put into its arguments gives back a stranger's words.
  const inside = handled.map(
    ({ path }) => path.reduce<unknown>((at, part) => (at as Record<string | number, unknown>)[part], input) as Json,
  );
  const repeats = handled.length > 0 && (returns === 'untrusted' || echoes(value, inside));
  // Whoever's data it was may be in the answer in any case; whose words, where it repeats them.
  for (const { label } of handled) flow.raise(repeats ? label : withoutInfluence(label));
  const strange = repeats && handled.some(({ label }) => label.sticky.untrusted_input);
  const said = { call: id, tool: flowTool, returns: strange ? 'untrusted' : returns, args: input } as const;
  flow.read({ ...said, ...(private_to === undefined ? {} : { private_to }) }, value);
}
