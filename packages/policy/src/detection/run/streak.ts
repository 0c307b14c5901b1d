/** Acts in a row that bring nothing new: shared by the detectors that count them. */
import type { Act } from '../acts.ts';

/** How long it has gone on, and at which position it began; -1: it does not. */
export type Streak = { readonly count: number; readonly from: number };
export const NO_STREAK: Streak = { count: 0, from: -1 };

/** Whether what came back holds hardly anything new, and nothing was done by it. */
export const isStale = (act: Act): boolean => !act.waited && !act.turnedPage && !act.effect && act.novelty < (act.message ? 0.3 : 0.2);

/** Counts what goes on without a break; an act without an answer does not break it. */
export function follow(streak: Streak, goesOn: boolean, act: Act): Streak {
  if (goesOn) return { count: streak.count + 1, from: streak.count === 0 ? act.position : streak.from };
  return act.answered || act.message ? NO_STREAK : streak;
}
