/**
 * The outcome and label of a child as its parent gets them. A child whose manifest declares a narrow output (a boolean, a number, one of
 * a few words) may read untrusted text and answer without passing the influence on, because the parent learns nothing but the
 * value. The child's error messages are free text, so they are withheld.
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

const WITHHELD = 'The child read untrusted text, and its manifest declares a narrow output, so its error message is withheld.';

/** @param label of everything that the child has read; undefined if labels are not tracked */
export function answerOf(manifest: Pick<AgentManifest, 'output'> | undefined, outcome: Outcome, label: Label | undefined): ChildAnswer {
  if (label === undefined) return { outcome };
  const type = narrowTypeOf(manifest?.output);
  if (type === undefined || !label.sticky.untrusted_input) return { outcome, label };
  // Checked again here, because the check in the child ran in the child's own isolate.
  if (outcome.kind === 'completed' && !isNarrow(type, outcome.output)) return { outcome, label };
  const after = withoutInfluence(label);
  const told = silenced(outcome);
  return { outcome: told, narrowed: true, ...(canonical(after) === canonical(CLEAN) ? {} : { label: after }) };
}

/** Removes the text that the child wrote or that describes its actions; text of people stays. */
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
