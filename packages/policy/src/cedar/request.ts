/** A request to the policies: subject, action, and all facts that a decision may use. */
import type { Action, Given, Subject } from './catalog.ts';
import type { DecisionContext, InspectionFacts } from './facts.ts';

export interface PolicyRequest {
  readonly subject: Subject;
  readonly action: Action;
  /** For a call: the arguments as the tool will receive them. */
  readonly args?: unknown;
  /** For a send or spawn: what goes along. */
  readonly given?: Given;
  readonly context: DecisionContext;
  readonly inspect?: InspectionFacts;
}
