/** Shared by all kinds of replay: the segments of a journal, their seeds, and the limits of their cranks. */
import type { Digest } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';

/** A replayed crank may use this multiple of its recorded CPU time, plus the slack. */
export const REPLAY_FACTOR = 4;
/** Microseconds. */
export const REPLAY_SLACK_US = 100_000;

/**
 * Seed of a segment. Each segment has its own, derived from the run's, so that replay gets the same.
 * @param seed of the run's header, as hex
 * @param checkpoint number of the entry with the checkpoint that the segment follows; 0 for the first
 */
export function segmentSeed(seed: string, checkpoint: number): string {
  if (checkpoint === 0) return seed;
  const word = (Number.parseInt(seed.slice(0, 8), 16) ^ Math.imul(checkpoint, 0x9e37_79b9)) >>> 0;
  return word.toString(16).padStart(8, '0') + seed.slice(8);
}

export interface Segment {
  /** Number of the entry with the checkpoint that the segment follows; 0 for the first. */
  readonly checkpoint: number;
  /** The bundle on which the segment last ran, or to which it was upgraded. The whole segment replays on it. */
  readonly bundle: Digest;
  readonly cranks: readonly Recorded[];
}

/** An entry that holds a crank. */
export type Recorded = Entry & { readonly delivery: string; readonly effects: string };

export const isCrank = (entry: Entry): entry is Recorded => entry.delivery !== undefined && entry.effects !== undefined;

/**
 * Splits a journal at its checkpoints; each segment runs in an isolate of its own. The entry with a checkpoint is the last crank of its
 * segment.
 * @param bundle on which the first entry was made
 * @param checkpoint number of the checkpoint's entry that precedes `entries`; 0 if there is none
 */
export function segmentsOf(entries: readonly Entry[], bundle: Digest, checkpoint = 0): Segment[] {
  const segments: Segment[] = [];
  let cranks: Recorded[] = [];
  let from = checkpoint;
  let on = bundle;
  for (const entry of entries) {
    if (isCrank(entry)) cranks.push(entry);
    if (entry.event?.kind === 'upgraded') on = entry.event.bundle;
    if (entry.event?.kind !== 'checkpoint') continue;
    segments.push({ checkpoint: from, bundle: on, cranks });
    cranks = [];
    from = entry.seq;
  }
  if (cranks.length > 0) segments.push({ checkpoint: from, bundle: on, cranks });
  return segments;
}
