/** A run's journal since its last checkpoint, and what is new in it. */
import type { Run } from './run.ts';

/** Each segment of a run has randomness of its own, derived so that replay finds it again. */
export function seedOf({ ledger }: Run): string {
  const { seed } = ledger.record.header;
  if (ledger.checkpoint === undefined) return seed;
  const word = (Number.parseInt(seed.slice(0, 8), 16) ^ Math.imul(ledger.checkpoint.seq, 0x9e37_79b9)) >>> 0;
  return word.toString(16).padStart(8, '0') + seed.slice(8);
}
