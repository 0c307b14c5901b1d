/**
 * Where an agent computed when one crank passed its limit of CPU time. The host ends such a crank by killing its cell, which says nothing. The
 * journal has the delivery, so the crank is made again in a cell of its own, which interrupts the agent once the limit is used.
 */
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import type { TrialOptions, TrialResult } from './trial.ts';
import { REPLAY_FACTOR } from '../runs/segment.ts';

/**
 * @param entries of the whole journal
 * @returns the agent's frames, in positions of the bundle; undefined if the run ended otherwise, or the crank ends this time
 * @throws CORRAL_CELL_START, CORRAL_RATE_LIMITED
 */
export async function overrunStack(
  record: RunRecord,
  entries: readonly Entry[],
  bundle: TrialOptions['bundle'],
  trial: (options: TrialOptions) => Promise<TrialResult>,
): Promise<string | undefined> {
  const last = entries.at(-1);
  const outcome = last?.event?.kind === 'ended' ? last.event.outcome : undefined;
  if (last?.delivery === undefined || outcome?.kind !== 'exceeded' || outcome.limit !== 'cpu') return undefined;
  // The trial multiplies the recorded time; this is the limit of the run.
  const again: Entry = {
    ...last,
    event: undefined,
    effects: '[]',
    decisions: [],
    cpu_us: (record.ceilings.crank_cpu_ms * 1000) / REPLAY_FACTOR,
  };
  let stack: string | undefined;
  const onStep: TrialOptions['onStep'] = (step) => {
    if (step.crank === last.seq) ({ stack } = step);
  };
  await trial({ record, bundle, entries: [...entries.slice(0, -1), again], armed: last.seq, onStep });
  // Its first line is the interruption's own.
  return stack?.split('\n').slice(1).join('\n');
}
