/** Where a run's knowledge of information flow begins, and how what others tell it gets in. */
import { CLEAN } from '@corral/policy/flow/labels';
import { FlowRun } from '@corral/policy/flow/run';
import type { ChildEndedDelivery, StartDelivery } from '@corral/protocol/delivery';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/label';
import type { RunRecord } from '@corral/protocol/run';

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
