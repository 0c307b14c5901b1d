/**
 * The only way to lower a label: a capability each use of which needs its owner's approval (ARCHITECTURE.md, "Policies and labels at the
 * bus"). The approval holds for exactly what the owner was shown: for a value, that value by its digest; for the run itself, what it had
 * read by then, so that nothing is lowered if it has read more meanwhile.
 */
import { CLEAN, declassify, endorse, join, type LabelChange } from '@corral/policy/flow/labels';
import type { Handled } from '@corral/policy/flow/handled';
import type { Decision, ToolFacts } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Books } from '../ledger/books.ts';
import { Refused } from '../effects/refused.ts';
import type { DecideContext } from '../effects/context.ts';
import type { Relabel } from '../ledger/pending.ts';

type Asking = Pick<DecideContext, 'now' | 'approval_ms'>;

/** The decision for a use of such a capability. Its owner is asked, even if the policies allow the call. */
export function askOwner(ledger: Books, owner: string, input: Json, decision: Decision, { now, approval_ms }: Asking): Partial<Decision> {
  if (wholeRun(input) && ledger.flow === undefined)
    throw new Refused('CORRAL_ARGS_INVALID', 'The labels of a run are followed only where its tenant has policies.');
  const expires_at = decision.expires_at ?? now + (approval_ms ?? MACHINE.approval_ms.default);
  // Only the owner may approve, so a higher quorum could never be reached.
  if ((decision.quorum ?? 1) > 1)
    throw new Refused('CORRAL_DENIED', 'A policy asks for several people where the owner of the capability alone decides.');
  return { verdict: 'ask', quorum: 1, expires_at, owner };
}

/** @param handled the handles in the arguments */
export function relabelOf(
  { flow }: Books,
  { owner }: Decision,
  facts: ToolFacts | undefined,
  input: Json,
  handled: readonly Handled[],
): { readonly relabel?: Relabel } {
  if (owner === undefined || facts?.relabels === undefined) return {};
  const run = wholeRun(input);
  // A value that is a single handle as a whole has the handle's label; every other value has the run's label too.
  const alone = handled.length === 1 && handled[0]?.path.length === 1 && handled[0].path[0] === 'value';
  const own = flow?.label ?? CLEAN;
  const before = run || !alone ? handled.reduce((all, { label }) => join(all, label), own) : (handled[0]?.label ?? own);
  return { relabel: { kind: facts.relabels, owner, run, before, raised: flow?.raised ?? 0 } };
}

/** The value whose digest an approval of the call is bound to. */
export const boundTo = (input: Json, relabel: Relabel | undefined): Json =>
  relabel?.run === true ? { input, label: relabel.before as unknown as Json } : input;

/** The reason why the approval is too late; undefined if it is not. */
export function tooLate({ flow }: Books, relabel: Relabel | undefined): string | undefined {
  if (relabel?.run !== true || flow?.raised === relabel.raised) return undefined;
  return 'the run has read more since it asked, so its label would not be what was vouched for';
}

/** The change of the label after the owner's approval. */
export function lowered({ flow }: Books, relabel: Relabel | undefined, by: string, reason: string): { readonly relabel?: LabelChange } {
  if (relabel === undefined) return {};
  const { kind, before, run } = relabel;
  const label = run ? (flow?.label ?? before) : before;
  return {
    relabel: kind === 'endorse' ? endorse(label, by, reason, before.influenced_by) : declassify(label, by, reason, before.private_to),
  };
}

const wholeRun = (input: Json): boolean => (input as { run?: unknown } | null)?.run === true;
