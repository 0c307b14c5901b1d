/**
 * The spans of calls as tools are told them. Their ids are hashes of the ids of runs and of the numbers of effects, which are in the store: every host
 * makes the same ones, for each attempt, after a crash, and on another machine.
 *
 * Source: w3.org/TR/trace-context, "traceparent header"
 */
import type { RunRecord } from '@corral/protocol/model/run';
import { place, spanOf, traceOf } from '@corral/telemetry/span';
import type { Config } from '../config/schema.ts';

const hex = (id: Uint8Array): string => Buffer.from(id).toString('hex');

/** @returns undefined if the host has no telemetry, and so no spans to which those of others could belong */
export function traceparents(telemetry: Config['telemetry']): ((record: RunRecord, call: number) => string) | undefined {
  if (telemetry === undefined) return undefined;
  return ({ id, root, parent }, call) => {
    const trace = traceOf(root ?? parent?.run ?? id);
    return `00-${hex(trace)}-${hex(spanOf(id, 'call', call))}-${place(trace) < telemetry.sample ? '01' : '00'}`;
  };
}
