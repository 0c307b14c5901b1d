/** The consequences of a denial, given by an annotation on a `forbid` policy: `@consequence("approval")`. */

/**
 * From mild to severe. `approval`: a person may allow this one call. `deny`: the call is refused. `pause`: refused, and the run
 * is paused until an operator resumes it. `quarantine`: refused, and the agent version is stopped until a named person lifts
 * that.
 */
export const CONSEQUENCES = ['approval', 'deny', 'pause', 'quarantine'] as const;
export type Consequence = (typeof CONSEQUENCES)[number];

export const isConsequence = (text: string): text is Consequence => (CONSEQUENCES as readonly string[]).includes(text);

export const isMilder = (a: Consequence, b: Consequence): boolean => CONSEQUENCES.indexOf(a) < CONSEQUENCES.indexOf(b);

/** The more severe of two. */
export function severer(a: Consequence, b: Consequence): Consequence {
  return isMilder(a, b) ? b : a;
}
