/** The list of all detectors. A new detector of one run is a file in `run/` and a line here. */
import { cascade, pingPong } from './causes.ts';
import type { FindingOf } from './events.ts';
import { interference } from './interference.ts';
import { cycle } from './run/cycle.ts';
import { drift } from './run/drift.ts';
import { nearRepeat } from './run/near-repeat.ts';
import { noProgress } from './run/no-progress.ts';
import { probing } from './run/probing.ts';
import { repeatError } from './run/repeat-error.ts';
import { repeat } from './run/repeat.ts';
import { runaway } from './run/runaway.ts';
import { stuck } from './run/stuck.ts';
import { spawnTree } from './spawns.ts';
import { deadlock } from './waits.ts';

/** Detectors of a single run, in the order in which they get each event (detectors.ts). */
export const RUN_DETECTORS = [repeat, repeatError, cycle, nearRepeat, noProgress, stuck, runaway, drift, probing] as const;
/** Detectors across runs, which the supervisor calls. */
const ACROSS_RUNS = [pingPong, cascade, spawnTree, deadlock, interference] as const;

export const DETECTORS_ABOUT = [...RUN_DETECTORS, ...ACROSS_RUNS] as const;
export type DetectorName = (typeof DETECTORS_ABOUT)[number]['name'];
export const DETECTORS: readonly DetectorName[] = DETECTORS_ABOUT.map(({ name }) => name);

/** Detectors whose findings are about several runs. */
export const OF_SEVERAL: ReadonlySet<DetectorName> = new Set(ACROSS_RUNS.map(({ name }) => name));

export type Finding = FindingOf<DetectorName>;
