/**
 * Partial evaluation: for one subject and one target, drops every policy that can never apply and compiles the rest to closures
 * over the context. The cost of a decision does not grow with policies about other subjects and targets.
 */
import { both, compile, entityFrom, negated, type Known, type Node, type Run } from './compile.ts';
import type { EntityUid } from './engine.ts';
import type { LoadedPolicy } from './policy-set.ts';
import { EvaluationError, type CedarRecord } from './value.ts';

/** The answer of the policies before it becomes a verdict: Cedar's answer, with the permits that matched beside a forbid. */
export interface Answer {
  readonly permits: readonly LoadedPolicy[];
  readonly forbids: readonly LoadedPolicy[];
  readonly errors: readonly PolicyFailure[];
}

export interface PolicyFailure {
  readonly policy: LoadedPolicy;
  readonly message: string;
}

export interface Residual {
  /** Policies that can still apply. */
  readonly size: number;
  /** The answer, if no remaining policy uses the context. */
  readonly constant?: Answer | undefined;
  /** Inspectors that they look at; ALL for each that there is. */
  readonly inspects: ReadonlySet<string>;
  /** They may look at the size of the value. */
  readonly measures: boolean;
  answer(context: CedarRecord): Answer;
}

interface Live {
  readonly policy: LoadedPolicy;
  /** Absent: the policy always applies. */
  readonly run: Run | undefined;
}

const NONE: readonly never[] = Object.freeze([]);

/** @throws UnsupportedConstruct if a policy has a construct that the closures do not know */
export function specialise(policies: readonly LoadedPolicy[], known: Known): Residual {
  const live: Live[] = [];
  const inspects = new Set<string>();
  let measures = false;
  for (const policy of policies) {
    if (!inScope(policy, known)) continue;
    const names: string[] = [];
    let measured = false;
    const node = condition(policy, { ...known, inspects: (name) => names.push(name), measures: () => (measured = true) });
    if (!('value' in node)) {
      measures ||= measured;
      live.push({ policy, run: node.run });
      for (const name of names) inspects.add(name);
    } else if (node.value !== false) live.push({ policy, run: undefined });
  }
  const permits = live.filter(({ policy }) => policy.effect === 'permit');
  const forbids = live.filter(({ policy }) => policy.effect === 'forbid');
  const answer = (context: CedarRecord): Answer => {
    const errors: PolicyFailure[] = [];
    return { forbids: matching(forbids, context, errors), permits: matching(permits, context, errors), errors };
  };
  const constant = live.every(({ run }) => run === undefined) ? answer({}) : undefined;
  return { size: live.length, constant, inspects, measures, answer };
}

/** Evaluates every policy, as Cedar does: one that fails is reported even if another has already decided. */
function matching(live: readonly Live[], context: CedarRecord, errors: PolicyFailure[]): readonly LoadedPolicy[] {
  let result: LoadedPolicy[] | undefined;
  for (const { policy, run } of live) {
    try {
      if (run !== undefined && run(context) !== true) continue;
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      errors.push({ policy, message: error.message });
      continue;
    }
    (result ??= []).push(policy);
  }
  return result ?? NONE;
}

/** Gives a boolean or an error, whatever the clauses are. */
function condition(policy: LoadedPolicy, known: Known): Node {
  let node: Node = { value: true };
  for (const { kind, body } of policy.json.conditions) {
    if ('value' in node && node.value === false) break;
    const clause = compile(body, known);
    node = both(node, kind === 'when' ? clause : negated(clause));
  }
  return node;
}

/** Whether a policy says for which actions it is; `action` alone means all. */
export const namesAction = ({ json }: LoadedPolicy): boolean => (json.action as Constraint).op !== 'All';

type Uid = EntityUid | { readonly __entity: EntityUid };
type Constraint =
  | { readonly op: 'All' }
  | { readonly op: '=='; readonly entity: Uid }
  | { readonly op: 'in'; readonly entity: Uid }
  | { readonly op: 'in'; readonly entities: readonly Uid[] }
  | { readonly op: 'is'; readonly entity_type: string; readonly in?: { readonly entity: Uid } };

export function inScope(policy: LoadedPolicy, known: Known): boolean {
  const { principal, action, resource } = policy.json;
  return (
    holds(action as Constraint, known.action, known) &&
    holds(resource as Constraint, known.resource, known) &&
    holds(principal as Constraint, known.principal, known)
  );
}

function holds(constraint: Constraint, subject: Known['principal'], { entities }: Known): boolean {
  switch (constraint.op) {
    case 'All':
      return true;
    case '==':
      return subject.key === entityFrom(constraint.entity).key;
    case 'in':
      return ('entities' in constraint ? constraint.entities : [constraint.entity]).some((one) => entities.isIn(subject, entityFrom(one)));
    case 'is':
      return (
        subject.type === constraint.entity_type && (constraint.in === undefined || entities.isIn(subject, entityFrom(constraint.in.entity)))
      );
  }
}
