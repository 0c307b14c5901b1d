/**
 * Spans, and the ids by which they belong together. All ids are hashes of what a run and its effects are called in every journal, so any host
 * makes the same ones without having kept anything: a trace goes on over a crash, over days, and over a change of machines.
 */
import { createHash } from 'node:crypto';
import type { RunId } from '@corral/protocol/ids';

export type Value = string | number | boolean;
export type Attributes = readonly (readonly [string, Value])[];

export interface Link {
  readonly trace: Uint8Array;
  readonly span: Uint8Array;
  readonly attributes: Attributes;
}

/** The numbers of OTLP. */
export const SPAN_KIND = { internal: 1, client: 3, consumer: 5 } as const;

export interface Span {
  /** The run that it is about, and its tenant. */
  readonly run: RunId;
  readonly tenant: string;
  /** It is the span of the run itself, from which all others of the run hang. */
  readonly isOfRun: boolean;
  /** 16 bytes. */
  readonly trace: Uint8Array;
  /** 8 bytes. */
  readonly id: Uint8Array;
  readonly parent: Uint8Array | undefined;
  readonly name: string;
  readonly kind: (typeof SPAN_KIND)[keyof typeof SPAN_KIND];
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly attributes: Attributes;
  readonly links: readonly Link[];
  /** The code of an error. Undefined: there was none. */
  readonly error: string | undefined;
}

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;

const digest = (text: string, bytes: number): Uint8Array => createHash('sha256').update(text).digest().subarray(0, bytes);

/** The trace of a family. @param root the run that began it */
export const traceOf = (root: RunId): Uint8Array => digest(root, TRACE_BYTES);

/** The span of a run itself, which all others of the run have as their parent. */
export const spanOfRun = (run: RunId): Uint8Array => digest(`${run} run`, SPAN_BYTES);

/** The span of an effect of a run, by its number. @param what tells spans about one effect apart, such as a call and its approval */
export const spanOf = (run: RunId, what: string, number: number): Uint8Array => digest(`${run} ${what} ${number}`, SPAN_BYTES);

/** The span of the time that a run was in memory under a lease. */
export const spanOfSegment = (run: RunId, epoch: number): Uint8Array => spanOf(run, 'segment', epoch);

/** Where a trace stands among all, from 0 to 1: a family is sampled as a whole if it is below the share that is wanted. */
export function place(trace: Uint8Array): number {
  const view = new DataView(trace.buffer, trace.byteOffset, trace.byteLength);
  return view.getUint32(0) / 2 ** 32;
}
