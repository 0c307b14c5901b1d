/** A run's journal since its last checkpoint, as a cell is given it to replay. */
import type { ReplayPayload } from '@corral/protocol/frame';
import type { Entry } from '@corral/protocol/run';
import type { Run } from './run.ts';

/** Bounds of one replay frame. */
const REPLAY_ENTRIES = 500;
const REPLAY_TEXT = 4 * 1024 * 1024;
/** A replayed crank may take this many times what it took, and this much more. */
const REPLAY_FACTOR = 4;
const REPLAY_SLACK_US = 100_000;

/** The entry with the checkpoint itself belongs to the segment before. */
export function afterCheckpoint({ ledger }: Run, entries: readonly Entry[]): readonly Entry[] {
  const { checkpoint } = ledger;
  return checkpoint === undefined ? entries : entries.filter(({ seq }) => seq > checkpoint.seq);
}

/** Each segment of a run has randomness of its own, derived so that replay finds it again. */
export function seedOf({ ledger }: Run): string {
  const { seed } = ledger.record.header;
  if (ledger.checkpoint === undefined) return seed;
  const word = (Number.parseInt(seed.slice(0, 8), 16) ^ Math.imul(ledger.checkpoint.seq, 0x9e37_79b9)) >>> 0;
  return word.toString(16).padStart(8, '0') + seed.slice(8);
}

/** A journal cut into frames. Entries without a crank are the host's and mean nothing to the isolate. */
export function batches(entries: readonly Entry[]): ReplayPayload[] {
  const result: ReplayPayload[] = [];
  let cranks: ReplayPayload['cranks'][number][] = [];
  let text = 0;
  for (const { seq, delivery, effects, cpu_us } of entries) {
    if (delivery === undefined || effects === undefined) continue;
    cranks.push({ crank: seq, delivery, effects, cpu_us: cpu_us * REPLAY_FACTOR + REPLAY_SLACK_US });
    text += delivery.length + effects.length;
    if (cranks.length >= REPLAY_ENTRIES || text >= REPLAY_TEXT) {
      result.push({ cranks });
      cranks = [];
      text = 0;
    }
  }
  if (cranks.length > 0) result.push({ cranks });
  return result;
}
