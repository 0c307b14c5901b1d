/**
 * Findings of inspectors about a value, as facts for one decision. Only those are asked that a policy left for this subject and target looks at,
 * and those that are always asked. An inspector that answers at once is asked here; the others are named, and the effect waits for them.
 * One that does not answer is missing in the facts, so that a policy which needs it denies.
 */
import { decidingIn } from '@corral/protocol/model/decision';
import type { Action, Subject } from '@corral/policy/cedar/catalog';
import { placeOf } from '@corral/policy/cedar/catalog';
import { rulesOf, type Verdict } from '@corral/policy/cedar/verdict';
import type { Json } from '@corral/protocol/json';
import { factsFrom, missingText, type Inspected } from '@corral/protocol/model/inspection';
import type { Inspector } from '@corral/protocol/ports/inspector';
import type { Policies } from './port.ts';

/** The findings about a value so far. */
export interface Looked {
  readonly inspected: Inspected;
  /** Inspectors that have to be asked. */
  readonly asks: readonly string[];
}

const NOTHING: Looked = { inspected: {}, asks: [] };

/**
 * @param given what inspectors have said before; then nobody is asked any more
 * @param value made only if an inspector looks at it
 * @param whole inspectors that can answer at once do so however large the value is, because it cannot wait
 */
export function look(
  { inspectors, current }: Pick<Policies, 'inspectors'> & { readonly current: Pick<Policies['current'], 'inspects'> },
  subject: Subject,
  action: Action,
  value: () => Json,
  { given, whole = false }: { readonly given?: Inspected | undefined; readonly whole?: boolean } = {},
): Looked {
  if (given === undefined && (inspectors === undefined || inspectors.size === 0)) return NOTHING;
  const needed = current.inspects(subject, action);
  const also = [...(inspectors?.values() ?? [])].filter((one) => isAlways(one, action) && !needed.includes(one.name));
  if (needed.length === 0 && also.length === 0) return given === undefined ? NOTHING : { ...NOTHING, inspected: given };
  const inspected: Record<string, Inspected[string]> = { ...given };
  const asks: string[] = [];
  let text: Json | undefined;
  const names = [...needed, ...also.map(({ name }) => name)];
  for (const name of names) {
    if (Object.hasOwn(inspected, name)) continue;
    const inspector = inspectors?.get(name);
    const said = inspector && atOnce(inspector, (text ??= value()), whole || given !== undefined);
    if (said !== undefined) inspected[name] = said;
    else if (inspector === undefined || whole || given !== undefined) inspected[name] = { missing: 'it was not asked' };
    else asks.push(name);
  }
  return { inspected, asks };
}

/** Whether an inspector is asked about an action's value even where no policy looks at what it says. */
export function isAlways({ always, on }: Inspector, action: Action): boolean {
  const place = placeOf(action);
  return always && place !== undefined && on.includes(place);
}

function atOnce(inspector: Inspector, value: Json, whole: boolean): Inspected[string] | undefined {
  try {
    return inspector.atOnce?.(value, whole);
  } catch {
    return { missing: 'it failed' };
  }
}

/** The facts as policies take them. */
export const inspectFacts = ({ inspected }: Looked) => (Object.keys(inspected).length === 0 ? {} : { inspect: factsFrom(inspected) });

/** The part of a decision that records them. */
export const recorded = ({ inspected }: Looked): { readonly inspected?: Inspected } =>
  Object.keys(inspected).length === 0 ? {} : { inspected };

/**
 * Whether the effect waits for the inspectors that have not been asked yet. It does not where the policies deny it already, because nothing
 * that they say could change that. An allowance says nothing: a policy that asks first whether a finding is there (`has`) does not fail
 * where it is missing.
 */
export const mustWait = ({ asks }: Looked, { decision, consequence, errors }: Verdict): boolean =>
  asks.length > 0 && (errors.length > 0 || decision === 'allow' || consequence === 'approval');

/** Why a verdict denies, as the end of a sentence: the rules, an inspector that is missing, or what the policies lack. */
export function whyDenied(verdict: Verdict, { inspected }: Looked): string {
  const { errors } = verdict;
  const missing = errors.length === 0 ? undefined : missingText(inspected);
  if (missing !== undefined) return `since a policy needs what an inspector says, and it said nothing (${missing})`;
  const deciding = decidingIn(rulesOf(verdict));
  if (deciding.length > 0) return `by ${deciding.join(', ')}`;
  return errors[0]?.message ?? 'since nothing permits it';
}
