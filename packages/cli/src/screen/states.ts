/** The state of a run as one word, and the colour of that word. */
import { styleText } from 'node:util';
import type { RouteAnswer } from '@corral/protocol/api/routes';

export type Summary = RouteAnswer<'listRuns'>['items'][number];
type Stated = Pick<Summary, 'ended_as' | 'control' | 'lifecycle' | 'residency' | 'on_cpu'>;

export const isGood = (ended_as: string): boolean => ended_as === 'completed';

export function stateOf(run: Stated): string {
  if (run.ended_as !== null) return run.ended_as;
  if (run.control !== 'none') return run.control;
  if (run.on_cpu) return 'running';
  return run.lifecycle === 'active' && run.residency === 'parked' ? 'parked' : run.lifecycle;
}

const COLOURS: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  completed: 'green',
  running: 'cyan',
  active: 'cyan',
  queued: 'dim',
  parked: 'dim',
  paused: 'yellow',
  quarantined: 'yellow',
  cancelled: 'dim',
};

/**
 * Colours a state. Node's rule holds, as for all colours of this program: a terminal gets them unless NO_COLOR is set, and a pipe only if
 * FORCE_COLOR is.
 * @param text the state, which may be padded or cut
 */
export function stateColour(text: string, run: Stated): string {
  // An end that has no colour of its own is one that somebody should look at.
  return styleText(COLOURS[stateOf(run)] ?? 'red', text, { stream: process.stdout });
}
