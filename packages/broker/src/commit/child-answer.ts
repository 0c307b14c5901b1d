/**
 * What a child's end tells its parent, and with what label. A child whose manifest declares a narrow output (a boolean, a number,
 * one of a few words) may read what a stranger wrote and answer without passing the stranger's influence on (DESIGN 5): the
 * parent learns the value and nothing else. What such a child says of its own failure is free text, so it is withheld.
 */
import { isNarrow, narrowTypeOf, withoutInfluence } from '@corral/policy/flow/narrow';
import { CLEAN } from '@corral/policy/flow/labels';
import { canonical } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';

export interface ChildAnswer {
  readonly outcome: Outcome;
  readonly label?: Label;
  readonly narrowed?: true;
}

const WITHHELD = 'The child read what a stranger may have written and answers with nothing but a narrow value; its own words are withheld.';

/** @param label of all that the child knew; undefined where nobody follows it */
export function answerOf(manifest: Pick<AgentManifest, 'output'> | undefined, outcome: Outcome, label: Label | undefined): ChildAnswer {
  if (label === undefined) return { outcome };
  const type = narrowTypeOf(manifest?.output);
  if (type === undefined || !label.sticky.untrusted_input) return { outcome, label };
  // Believed only as far as the value fits here: what checked it in the child was the child's own isolate.
  if (outcome.kind === 'completed' && !isNarrow(type, outcome.output)) return { outcome, label };
  const after = withoutInfluence(label);
  const told = silenced(outcome);
  return { outcome: told, narrowed: true, ...(canonical(after) === canonical(CLEAN) ? {} : { label: after }) };
}

/** Without the words that the child itself chose, or that repeat what it did; what people said stays. */
function silenced(outcome: Outcome): Outcome {
  switch (outcome.kind) {
    case 'failed':
      return { kind: 'failed', code: outcome.code, message: WITHHELD };
    case 'exceeded':
      return { kind: 'exceeded', limit: outcome.limit, message: WITHHELD };
    case 'looped':
      return { kind: 'looped', evidence: WITHHELD };
    case 'diverged':
      return { kind: 'diverged', crank: outcome.crank, expected: WITHHELD, seen: WITHHELD };
    case 'completed':
    case 'killed':
    case 'cancelled':
    case 'denied':
    case 'never_started':
      return outcome;
  }
}
