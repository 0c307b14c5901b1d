/** The initial information flow of a run, and how data from other runs and tools enters it. */
import { echoes } from '@corral/policy/flow/echo';
import { deedOf } from '@corral/policy/flow/intent';
import { CLEAN, join, WORST } from '@corral/policy/flow/labels';
import { withoutInfluence } from '@corral/policy/flow/narrow';
import type { FlowTool } from '@corral/policy/flow/facts';
import { FlowRun, type Returned } from '@corral/policy/flow/run';
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { ChildEndedDelivery, Result, StartDelivery } from '@corral/protocol/wire/delivery';
import type { ErrorCode, ErrorData } from '@corral/protocol/errors';
import { canonical, type Json } from '@corral/protocol/json';
import type { Kept, Label } from '@corral/protocol/model/label';
import type { RunRecord } from '@corral/protocol/model/run';
import { insideOf } from '../ledger/handles.ts';
import type { Books } from '../ledger/books.ts';
import type { Pending, PendingCall } from '../ledger/pending.ts';

/**
 * A run that a person submitted begins with the person's input and a clean label. A child begins with its parent's label, and its input
 * counts as read under that label. After a checkpoint the results behind the label are no longer known, so values of unknown origin count
 * as untrusted.
 */
export function beginFlow(record: RunRecord, start: StartDelivery, carried: Label | undefined): FlowRun {
  const label = carried ?? record.label ?? CLEAN;
  const past = carried === undefined || isClean(carried) ? 'none' : 'unknown';
  // An instance gets its input in messages with the label of the sender; it has no input of its own principal.
  const isOwn = record.service === undefined && (record.parent === undefined || isClean(record.label));
  const flow = new FlowRun(isOwn ? start.input : null, label, past);
  const { budget, state, unread } = start;
  if (record.parent !== undefined) {
    if (!isOwn) readFrom(flow, record.parent.agent, 0, record.label, start.input);
    // A program knows its own text from the start. The text is not a request of a principal, whoever wrote it.
    if (record.program !== undefined) readFrom(flow, record.parent.agent, 0, record.label, record.program.source);
    if (isPrivate(record.label)) flow.provenance.private([start.input, budget]);
  }
  // All that an isolate knows from before is in here; and the key of an instance was chosen by the run that first wrote to it.
  if (isPrivate(label)) flow.provenance.private([record.service?.key ?? null, state ?? null, unread ?? null] as unknown as Json);
  return flow;
}

/** A refusal by the terms of a capability repeats what a run wrote that has narrowed it, and this run bears its label. */
export function readTerms(flow: FlowRun | undefined, message: string): void {
  if (isPrivate(flow?.label)) flow?.provenance.private(message);
}

const isPrivate = (label: Label | undefined): boolean => label?.sticky.private_data === true;

/** Records that the run has read data of another run. */
export function readFrom(flow: FlowRun | undefined, who: string, call: number, label: Label | undefined, value: Json): void {
  if (flow === undefined) return;
  if (label !== undefined) flow.raise(label);
  const by = label?.influenced_by ?? [];
  flow.provenance.result({ call, tool: who, by, trusted: isClean(label), private: label?.sticky.private_data === true, args: {} }, value);
}

/**
 * Records that the run has read the end of a child: its output, or its error message, which may contain data that the child has read. A
 * narrow answer raises the label only by what is private, and has no origin when it is used as an argument.
 */
export function readAnswer(flow: FlowRun | undefined, { id, label, outcome, narrowed, spent }: ChildEndedDelivery): void {
  // How much a child has spent is a number that it chose.
  if (isPrivate(label)) flow?.provenance.private([narrowed === true && outcome.kind === 'completed' ? outcome.output : null, spent]);
  if (narrowed === true) {
    if (label !== undefined) flow?.raise(label);
  } else if (outcome.kind === 'completed') readFrom(flow, 'child', id, label, outcome.output);
  else if (label !== undefined) readFrom(flow, 'child', id, label, outcome);
}

export const isClean = (label: Label | undefined): boolean => label === undefined || !label.sticky.untrusted_input;

/** Records the answer to an effect. A value that the run reads raises its label; a value behind a handle does not. */
export function readResult(ledger: Books, asked: Pending | undefined, result: Result): void {
  const call = asked?.kind === 'decided' ? asked.call : asked;
  if (!('value' in result)) {
    if (call?.kind === 'call') readError(ledger, call, result);
  } else if (call?.kind === 'call') readCall(ledger, call, result);
  else if (asked?.kind === 'decided' && asked.opened !== undefined)
    ledger.flow?.opened(asked.id, asked.opened.source, asked.opened.label, result.value);
}

/** An error message by the tool counts like its result; one by the host does not. */
function readError({ flow }: Books, call: PendingCall, { error, unread }: Extract<Result, { error: ErrorData }>): void {
  const { id, tool, facts, input } = call;
  if (flow === undefined || facts === undefined || unread === true || error.message === '' || !TOOLS_OWN.has(error.code)) return;
  const { returns, destinations, private_to, source } = facts;
  const flowTool = { name: tool, effect: 'none' as const, destinations, deed: deedOf(tool) };
  const of = { call: id, tool: flowTool, returns, args: input, ...(source === undefined ? {} : { source }) };
  flow.read(private_to === undefined ? of : { ...of, private_to }, error.message);
}
const TOOLS_OWN: ReadonlySet<string> = new Set<ErrorCode>(['CORRAL_TOOL_FAILED', 'CORRAL_UNKNOWN_RESULT', 'CORRAL_STREAM_LOST']);

/** Records that the run has read parts of an answer. @param value their texts (`joinedParts`) */
export function readParts({ flow }: Books, call: PendingCall, value: Json): void {
  if (flow !== undefined && call.facts !== undefined) readValue(flow, { ...call, facts: call.facts }, value, { pieces: true });
}

function readCall({ flow, handles }: Books, call: PendingCall, { value, handle, kept }: Extract<Result, { value: Json }>): void {
  const { id, tool, facts, input, handled = [], change } = call;
  // The owner has vouched only for the value that was shown.
  const vouched = change !== undefined && canonical(value) === canonical((input as { value?: Json }).value ?? null) ? change : undefined;
  const label = kept && keptLabel(kept);
  if (handle !== undefined) {
    const inside = insideOf(tool, facts, flow?.label, handled);
    handles.add({ value, source: tool, label: vouched?.after ?? (label === undefined ? inside : join(inside, label)) });
  }
  if (flow === undefined || facts === undefined) return;
  if (handle !== undefined) return flow.held({ tool: flowToolOf(tool, facts), args: input });
  if (vouched !== undefined) return flow.vouched(id, vouched, value);
  readValue(flow, { ...call, facts }, value, label === undefined ? {} : { kept: label });
}

/** The label of a value that a tool kept. One of which nothing is known may be anybody's and private to anybody. */
const keptLabel = ({ label = WORST }: Kept): Label => ({ ...label, sticky: { ...label.sticky, outside_effect: false } });

const flowToolOf = (tool: string, { effect, destinations }: ToolFacts): FlowTool => ({
  name: tool,
  effect,
  destinations,
  deed: deedOf(tool),
});

/** @param more whether the value is a part of an answer, and the label that it was kept with */
function readValue(
  flow: FlowRun,
  call: PendingCall & { readonly facts: ToolFacts },
  value: Json,
  more: Pick<Returned, 'pieces' | 'kept'> = {},
): void {
  const { id, tool, facts, input, handled = [] } = call;
  const { returns, private_to, source, trusted_fields } = facts;
  // A trusted tool that repeats values from its arguments returns the text of strangers; a model says nothing that they did not influence.
  const inside = handled.map(
    ({ path }) => path.reduce<unknown>((at, part) => (at as Record<string | number, unknown>)[part], input) as Json,
  );
  const repeats = handled.length > 0 && (returns !== 'trusted' || echoes(value, inside));
  // The answer may contain the private data of the handles in any case, but their influence only if it repeats them.
  for (const { label } of handled) flow.raise(repeats ? label : withoutInfluence(label));
  const strange = repeats && handled.some(({ label }) => label.sticky.untrusted_input);
  const said = {
    call: id,
    tool: flowToolOf(tool, facts),
    returns: strange ? 'untrusted' : returns,
    args: input,
    // A result may repeat what was in a handle in any of its fields.
    ...(strange || trusted_fields === undefined ? {} : { trusted_fields }),
    ...(source === undefined ? {} : { source }),
  } as const;
  flow.read({ ...said, ...(private_to === undefined ? {} : { private_to }), ...more }, value);
}
