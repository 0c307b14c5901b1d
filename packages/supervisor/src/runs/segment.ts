/** What is common to all who replay a journal: where its segments begin, their randomness, how long their cranks may take. */
import type { Digest } from '@corral/protocol/ids';
import type { Entry } from '@corral/protocol/model/run';

/** A replayed crank may take this many times what it took, and this much more. */
export const REPLAY_FACTOR = 4;
export const REPLAY_SLACK_US = 100_000;

/**
 * Each segment of a run has randomness of its own, derived so that replay finds it again.
 * @param seed of the run's header, as hex
 * @param checkpoint number of the entry with the checkpoint that the segment follows; 0 for the first
 */
export function segmentSeed(seed: string, checkpoint: number): string {
  if (checkpoint === 0) return seed;
  const word = (Number.parseInt(seed.slice(0, 8), 16) ^ Math.imul(checkpoint, 0x9e37_79b9)) >>> 0;
  return word.toString(16).padStart(8, '0') + seed.slice(8);
}

export interface Segment {
  /** The entry with the checkpoint it follows; 0 for the first. */
  readonly checkpoint: number;
  /** The bundle on which it last ran, or was moved to: on that one, all of it replays. */
  readonly bundle: Digest;
  readonly cranks: readonly Recorded[];
}

/** An entry that holds a crank. */
export type Recorded = Entry & { readonly delivery: string; readonly effects: string };

export const isCrank = (entry: Entry): entry is Recorded => entry.delivery !== undefined && entry.effects !== undefined;

/**
 * A journal cut where its isolates were changed. The entry with a checkpoint is the last crank of the segment it ends.
 * @param bundle on which the run was when it made the first of them
 * @param checkpoint the entry that `entries` follow, if that is a checkpoint
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
