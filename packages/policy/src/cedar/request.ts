/** What is asked of policies: who wants to do what, and all that a decision may look at. */
import type { Action, Given, Subject } from './catalog.ts';
import type { DecisionContext } from './facts.ts';

export interface PolicyRequest {
  readonly subject: Subject;
  readonly action: Action;
  /** Of a call, as the tool will get them. */
  readonly args?: unknown;
  /** Of a send or spawn: what goes along. */
  readonly given?: Given;
  readonly context: DecisionContext;
}
