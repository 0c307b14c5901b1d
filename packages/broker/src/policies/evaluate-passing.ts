/**
 * Evaluates the policies for what passes a run's border without a capability: the answer to a call, on its way to the agent, and the
 * output of the run. Both pass unless a policy that names `Action::"answer"` or `Action::"output"` forbids it; where there is none, no
 * facts are gathered.
 */
import type { Action } from '@corral/policy/cedar/catalog';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { Json } from '@corral/protocol/json';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { Books } from '../ledger/books.ts';
import { actionOf, factsOfRun, subjectFor, UNTRACKED } from './evaluate.ts';
import { inspectFacts, isAlways, look, mustWait, type Looked } from './inspect.ts';
import type { Policies } from './port.ts';

export interface Passing {
  /** Undefined: it waits for the inspectors in `looked`. */
  readonly verdict: Verdict | undefined;
  readonly looked: Looked;
}

/** Whether anybody looks at what this tool answers: a policy, or an inspector that is always asked. Parts of a stream would go past them. */
export function isLookedAt(policies: Pick<Policies, 'current' | 'roles' | 'owner' | 'inspectors'>, ledger: Books, tool: string): boolean {
  const action = actionOf(tool, 'answer');
  if (policies.inspectors?.values().some((one) => isAlways(one, action)) === true) return true;
  return policies.current.concerns(subjectFor(ledger, policies), action);
}

/**
 * @param given what inspectors have said; then no others are asked
 * @returns undefined if no policy concerns it, and nobody looks at it
 */
export function judgePassing(
  policies: Pick<Policies, 'current' | 'roles' | 'owner' | 'inspectors'>,
  ledger: Books,
  action: Extract<Action, { kind: 'answer' | 'output' }>,
  value: Json,
  now: number,
  given?: Inspected,
): Passing | undefined {
  const { current } = policies;
  const subject = subjectFor(ledger, policies);
  const concerns = current.concerns(subject, action);
  const looked = look(policies, subject, action, () => value, { given });
  if (!concerns && looked.asks.length === 0 && Object.keys(looked.inspected).length === 0) return undefined;
  const { sticky } = ledger.label ?? { sticky: undefined };
  const verdict = current.decideBy(subject, action, () => ({
    context: {
      ...factsOfRun(ledger, now),
      // Its use is not known yet.
      flow: { ...UNTRACKED, effect: 'none', ...sticky },
      call: { bytes: Buffer.byteLength(JSON.stringify(value)), first_use: false, last_minute: 0 },
    },
    ...inspectFacts(looked),
  }));
  return { verdict: mustWait(looked, verdict) ? undefined : verdict, looked };
}
