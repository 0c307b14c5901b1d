/** Counts acts in a row that bring nothing new, for several detectors. */
import type { Act } from '../acts.ts';

/** Number of acts so far, and the position of the first; -1: none. */
export type Streak = { readonly count: number; readonly from: number };
export const NO_STREAK: Streak = { count: 0, from: -1 };

/** Whether the answer has hardly anything new and the act has no effect. */
export const isStale = (act: Act): boolean => !act.waited && !act.turnedPage && !act.effect && act.novelty < (act.message ? 0.3 : 0.2);

/** Continues the streak or ends it; an act without an answer leaves it as it is. */
export function follow(streak: Streak, goesOn: boolean, act: Act): Streak {
  if (goesOn) return { count: streak.count + 1, from: streak.count === 0 ? act.position : streak.from };
  return act.answered || act.message ? NO_STREAK : streak;
}
