/** The state of a run as one word, and the colour of that word. */
import { styleText } from 'node:util';
import type { RouteAnswer } from '@corral/protocol/api/routes';

export type Summary = RouteAnswer<'listRuns'>['items'][number];
type Stated = Pick<Summary, 'ended_as' | 'control' | 'lifecycle' | 'waiting' | 'on_cpu'>;

/** Waits that only a person ends. */
const FOR_PEOPLE: ReadonlySet<Summary['waiting']> = new Set(['approval', 'resolution', 'upgrade']);

export const isGood = (ended_as: string): boolean => ended_as === 'completed';

/**
 * `queued`: it has not begun, and begins as soon as there is room. `needs …`: it goes on once a person has decided. `waiting`: for a call, a
 * message, a timer or a child. `active`: it has something to process.
 */
export function stateOf(run: Stated): string {
  if (run.ended_as !== null) return run.ended_as;
  if (run.control !== 'none') return run.control;
  if (run.on_cpu) return 'running';
  if (FOR_PEOPLE.has(run.waiting)) return `needs ${run.waiting}`;
  return run.lifecycle === 'active' && run.waiting !== 'nothing' ? 'waiting' : run.lifecycle;
}

const COLOURS: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  completed: 'green',
  running: 'cyan',
  active: 'cyan',
  queued: 'dim',
  waiting: 'dim',
  paused: 'yellow',
  quarantined: 'yellow',
  'needs approval': 'yellow',
  'needs resolution': 'yellow',
  'needs upgrade': 'yellow',
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
