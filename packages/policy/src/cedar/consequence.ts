/** What a denial means. Said by an annotation on a `forbid` policy: `@consequence("approval")`. */

/**
 * From mild to severe. `approval`: a person may allow this one call. `deny`: no. `pause`: no, and the run stands still
 * until an operator lets it go on. `quarantine`: no, and the agent version does nothing more until a named person lifts it.
 */
export const CONSEQUENCES = ['approval', 'deny', 'pause', 'quarantine'] as const;
export type Consequence = (typeof CONSEQUENCES)[number];

export const isConsequence = (text: string): text is Consequence => (CONSEQUENCES as readonly string[]).includes(text);

/** The more severe of two. */
export function severer(a: Consequence, b: Consequence): Consequence {
  return CONSEQUENCES.indexOf(a) >= CONSEQUENCES.indexOf(b) ? a : b;
}
