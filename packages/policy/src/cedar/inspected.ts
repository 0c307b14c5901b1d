/** Which inspectors a policy looks at: the names after `context.inspect`. Only those are asked, and only where a policy is left that does. */
import type { Expression } from './engine.ts';
import type { LoadedPolicy } from './policy-set.ts';

/** Stands for all inspectors, where a policy takes the record as a whole. */
export const ALL = '*';

/** Whether an expression is `context.inspect`. */
export function isInspect(expression: Expression): boolean {
  const of = expression['.'] as Accessed | undefined;
  return of?.attr === 'inspect' && of.left['Var'] === 'context';
}

interface Accessed {
  readonly left: Expression;
  readonly attr: string | readonly string[];
}

/** The names in a policy's text, whether or not they can matter. */
export function inspectorsIn({ json }: Pick<LoadedPolicy, 'json'>): ReadonlySet<string> {
  const names = new Set<string>();
  const walk = (at: unknown): void => {
    if (typeof at !== 'object' || at === null) return;
    if (isInspect(at as Expression)) names.add(ALL);
    const { '.': member, has } = at as { readonly '.'?: Accessed; readonly has?: Accessed };
    const one = member ?? has;
    const path = one === undefined ? [] : [one.attr].flat();
    if (one !== undefined && isInspect(one.left)) return void names.add(path[0] as string);
    // `context has inspect.secrets`
    if (one?.left['Var'] === 'context' && path[0] === 'inspect' && path[1] !== undefined) names.add(path[1]);
    for (const value of Object.values(at)) walk(value);
  };
  walk(json.conditions);
  return names;
}
