/**
 * Words that Corral itself gives to facts. Both ends of the ring know them by number from the start, so names that others have chosen never
 * compete with them. A word that is missing here is sent as such a name; vocabulary.test.ts finds it.
 */
import { ERRORS } from '@corral/protocol/errors';
import { LIMIT_NAMES } from '@corral/protocol/limits';

/** Stands for names beyond a bound. */
export const OTHER = 'other';

/** Acts by which a run leaves memory although it was neither parked nor ended. */
export const LEAVES: ReadonlySet<string> = new Set(['refused', 'damaged']);

/** How a stretch ends whose host stops. */
export const HOST_STOPPED = 'host stopped';

const OUTCOMES = ['completed', 'failed', 'killed', 'exceeded', 'looped', 'denied', 'diverged', 'never_started', 'cancelled'];
const WAITS = ['call', 'message', 'timer', 'child', 'approval', 'resolution', 'upgrade', 'nothing'];
const DELIVERIES = ['start', 'reply', 'chunk', 'message', 'timer', 'child_ended', 'cancel', 'notice'];
const VERDICTS = ['approve', 'deny', 'expired'];
const STEPS = ['observe', 'notice', 'slow', 'pause', 'kill'];
const ACTS = ['paused', 'held', 'damaged', 'refused', 'quarantined', 'lifted', 'revoked', 'resting', 'rested', 'warned', 'hopeless'];
const TARGETS = ['mailbox', 'send', 'spawn', 'output', 'effect'];

/** By number; the first is the text of nothing. */
export const VOCABULARY: readonly string[] = [
  ...new Set([
    '',
    OTHER,
    HOST_STOPPED,
    ...OUTCOMES,
    ...WAITS,
    ...DELIVERIES,
    ...VERDICTS,
    ...STEPS,
    ...ACTS,
    ...TARGETS,
    ...LIMIT_NAMES,
    ...Object.keys(ERRORS),
  ]),
];
