/**
 * Evaluates the policies for what passes a run's border without a capability: the answer to a call, on its way to the agent; how the run
 * finishes, on its way to its parent and to people; and an event, on its way to followers. Each passes unless a policy that names
 * `Action::"answer"`, `Action::"output"` or `Action::"emit"` forbids it; where there is none, no facts are gathered.
 */
import type { Action } from '@corral/policy/cedar/catalog';
import type { Verdict } from '@corral/policy/cedar/verdict';
import type { Json } from '@corral/protocol/json';
import { unionOf } from '@corral/policy/flow/labels';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { Names } from '@corral/protocol/model/label';
import type { Books } from '../ledger/books.ts';
import { actionOf, factsOfRun, subjectFor, UNTRACKED } from './evaluate.ts';
import { inspectFacts, isAlways, look, mustWait, type Looked } from './inspect.ts';
import type { Policies } from './port.ts';

export interface Passing {
  /** Undefined: it waits for the inspectors in `looked`. */
  readonly verdict: Verdict | undefined;
  readonly looked: Looked;
}

type PassingPolicies = Pick<Policies, 'current' | 'roles' | 'owner' | 'inspectors'>;

/**
 * How much of a stream is held back, beyond what was looked at: as many characters as the longest thing that an inspector finds. Infinite
 * where an inspector, or a policy that looks at the size, needs the whole answer.
 * @returns undefined if nobody looks at what this tool answers
 */
export function heldBack(policies: PassingPolicies, ledger: Books, tool: string): number | undefined {
  const { current, inspectors } = policies;
  const action = actionOf(tool, 'answer');
  const subject = subjectFor(ledger, policies);
  const needed = current.inspects(subject, action).map((name) => inspectors?.get(name));
  const always = inspectors?.values().filter((one) => isAlways(one, action)) ?? [];
  const asked = [...needed, ...always];
  if (asked.length === 0 && !current.concerns(subject, action)) return undefined;
  if (current.measures(subject, action)) return Number.POSITIVE_INFINITY;
  // One that is not configured any more is missing, at once.
  return Math.max(0, ...asked.map((one) => (one === undefined ? 0 : (one.longest_chars?.() ?? Number.POSITIVE_INFINITY))));
}

/**
 * @param given what inspectors have said; then no others are asked
 * @param private_to whose private data is in the value besides what the run has read: values behind handles
 * @returns undefined if no policy concerns it, and nobody looks at it
 */
export function judgePassing(
  policies: PassingPolicies,
  ledger: Books,
  action: Extract<Action, { kind: 'answer' | 'output' | 'emit' }>,
  value: Json,
  now: number,
  given?: Inspected,
  private_to: Names = [],
): Passing | undefined {
  const { current } = policies;
  const subject = subjectFor(ledger, policies);
  const concerns = current.concerns(subject, action);
  const looked = look(policies, subject, action, () => value, { given });
  if (!concerns && looked.asks.length === 0 && Object.keys(looked.inspected).length === 0) return undefined;
  const { sticky } = ledger.label ?? { sticky: undefined };
  const verdict = current.decideBy(subject, action, () => ({
    context: {
      ...factsOf(ledger, now, private_to),
      // Its use is not known yet.
      flow: { ...UNTRACKED, effect: 'none', ...sticky, ...(private_to.length === 0 ? {} : { private_data: true }) },
      call: { bytes: Buffer.byteLength(JSON.stringify(value)), first_use: false, last_minute: 0 },
    },
    ...inspectFacts(looked),
  }));
  return { verdict: mustWait(looked, verdict) ? undefined : verdict, looked };
}

function factsOf(ledger: Books, now: number, private_to: Names): ReturnType<typeof factsOfRun> {
  const facts = factsOfRun(ledger, now);
  if (private_to.length === 0) return facts;
  return { ...facts, labels: { ...facts.labels, confidentiality: unionOf(facts.labels.confidentiality, private_to) } };
}
