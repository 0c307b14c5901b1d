/** A flood of runs that each make one call, for a short test and a long one. */
import type { Outcome } from '@corral/protocol/model/outcome';
import { readingTool, world } from '../world.ts';

export const CALLER = `{ name: 'caller', uses: { now: 'tool:now' }, run: ({ caps }) => caps.now({}) }`;

/** Submits far more runs at once than their cells hold. @returns outcomes of those that did not complete */
export async function notDrained(runs: number): Promise<Outcome[]> {
  const w = await world([readingTool('now', () => 'now')], { cell_memory_mib: 128 });
  const version = await w.deploy(CALLER);
  const all = await Promise.all(Array.from({ length: runs }, () => w.submit(version)));
  const outcomes = await Promise.all(all.map(({ ended }) => ended));
  return outcomes.filter(({ kind }) => kind !== 'completed');
}
