/**
 * `policy check`: the engine's type checker with the host's schema, and checks that it cannot make: which tools, models, roles
 * and tenants exist, and the meaning of Corral's annotations. Every problem has its place and what to do.
 */
import type { Catalog } from './catalog.ts';
import type { CedarEngine, SourceError } from './engine.ts';
import { parsePolicies, problemFrom, type LoadedPolicy } from './policy-set.ts';
import { nearest, type Problem, type ProblemKind } from './problem.ts';
import { placeIn, type PolicySource } from './source.ts';

export interface Checked {
  readonly policies: readonly LoadedPolicy[];
  /** In order of place. Policies with an error among these must not be used. */
  readonly problems: readonly Problem[];
}

export function checkPolicies(engine: CedarEngine, catalog: Catalog, sources: readonly PolicySource[]): Checked {
  const { policies, problems } = parsePolicies(engine, sources);
  const all = [
    ...problems,
    ...typeProblems(engine, catalog, policies),
    ...policies.flatMap((policy) => [...unknownNames(catalog, policy), ...askedInVain(policy)]),
  ];
  all.push(...permitsNothing(sources, policies, all));
  const order = new Map(sources.map(({ file }, i) => [file, i]));
  const distinct = [...new Map(all.map((one) => [`${one.file}:${one.line}:${one.column}:${one.message}`, one])).values()];
  distinct.sort((a, b) => (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0) || a.line - b.line || a.column - b.column);
  return { policies, problems: distinct };
}

function typeProblems(engine: CedarEngine, catalog: Catalog, policies: readonly LoadedPolicy[]): Problem[] {
  const staticPolicies = Object.fromEntries(policies.map(({ id, source }) => [id, source.text]));
  const answer = engine.validate({ schema: catalog.schema, policies: { staticPolicies } });
  if (answer.type === 'failure') {
    const first = policies[0]?.source ?? { file: '', text: '', line: 1, column: 1 };
    return answer.errors.map((error) => problemFrom(error, first, undefined, 'other'));
  }
  const byId = new Map(policies.map((policy) => [policy.id, policy]));
  const faulty = new Set(answer.validationErrors.map(({ policyId }) => policyId));
  const result: Problem[] = [];
  for (const { policyId, error } of [...answer.validationErrors, ...answer.validationWarnings]) {
    const policy = byId.get(policyId);
    // The warning that a policy never applies is dropped if the policy has an error.
    if (policy === undefined || (error.severity === 'warning' && faulty.has(policyId))) continue;
    result.push(explained(problemFrom(error, policy.source, policyId, kindOf(error)), catalog));
  }
  return result;
}

const KINDS: readonly (readonly [RegExp, ProblemKind])[] = [
  [/^unrecognized action/, 'unknown_action'],
  [/^unrecognized entity/, 'unknown_entity'],
  [/optional attribute/, 'unguarded_optional'],
  [/^attribute .* not found/s, 'unknown_attribute'],
  [/^unexpected type|have compatible types|operand/, 'wrong_type'],
  [/impossible|unable to find an applicable action/, 'never_applies'],
];

function kindOf(error: SourceError): ProblemKind {
  const message = error.message.replace(/^for policy `.*?`, /, '');
  return KINDS.find(([pattern]) => pattern.test(message))?.[1] ?? 'other';
}

/** Extends the engine's message with facts about this host. */
function explained(problem: Problem, catalog: Catalog): Problem {
  const action = /^unrecognized action `Action::"(.*)"`/.exec(problem.message)?.[1];
  if (action !== undefined) {
    const target = /^(tool|model):(.*)$/.exec(action);
    const near = nearest(action, catalog.actions);
    return {
      ...problem,
      kind: target === null ? 'unknown_action' : 'unknown_tool',
      message: target === null ? `There is no action "${action}".` : `This host has no ${target[1]} "${target[2]}".`,
      hint: near === undefined ? `There are: ${[...catalog.actions].join(', ')}.` : `Did you mean Action::"${near}"?`,
    };
  }
  if (problem.kind === 'unknown_attribute' && /`inspect\b/.test(problem.message)) return { ...problem, hint: inspectorHint(catalog) };
  if (problem.kind === 'unknown_attribute' && /`args\b/.test(problem.message)) {
    const unseen = [...catalog.unseen].filter(([name]) => problem.message.includes(`"${name}"`)).flatMap(([, paths]) => paths);
    const blind = unseen.length === 0 ? '' : ` Policies cannot see: ${unseen.join(', ')}.`;
    const hint = `context.args is typed by tool: name the tool, as in action == Action::"tool:…", or ask first with context.args has ….${blind}`;
    return { ...problem, hint: problem.hint === undefined ? hint : `${problem.hint} ${hint}` };
  }
  if (problem.kind === 'wrong_type' && /\bdecimal\b/.test(problem.message)) {
    const methods = 'lessThan, lessThanOrEqual, greaterThan, greaterThanOrEqual';
    return {
      ...problem,
      hint: `A number of a tool is a decimal here, which methods compare: context.args.amount.greaterThan(decimal("100.0")); there are ${methods}.`,
    };
  }
  if (problem.kind === 'wrong_type' && problem.message.includes('expected String but saw Long'))
    return { ...problem, hint: 'decimal(…) takes a text: decimal("100.0").' };
  if (problem.kind === 'never_applies') {
    return { ...problem, hint: 'No request of this host can match it: compare its scope and conditions with the schema.' };
  }
  return problem;
}

function inspectorHint({ inspectorNames }: Catalog): string {
  const there = [...inspectorNames].map(([name, places]) => `${name} (${places.join(', ')})`);
  const which = there.length === 0 ? 'The configuration has no inspectors' : `There are: ${there.join('; ')}`;
  return `${which}. An inspector is there for the actions whose place it looks at: name them, as in action in Action::"call" for request, action == Action::"answer" for answer.`;
}

/** Literals such as `Tool::"fs.raed"`: well typed for Cedar, which takes any id for possible, and yet a mistake. */
function unknownNames(catalog: Catalog, policy: LoadedPolicy): Problem[] {
  const result: Problem[] = [];
  const { source } = policy;
  for (const { type, id } of literals(policy.json)) {
    const ids = catalog.known.get(type);
    if (ids === undefined || ids.has(id)) continue;
    const near = nearest(id, ids);
    const offset = source.text.search(new RegExp(`\\b${type}\\s*::\\s*${escaped(JSON.stringify(id))}`));
    result.push({
      severity: 'error',
      kind: type === 'Tool' || type === 'Model' ? 'unknown_tool' : 'unknown_entity',
      file: source.file,
      ...placeIn(source, Math.max(0, offset)),
      policy: policy.id,
      message: `This host has no ${type.toLowerCase()} "${id}".`,
      hint: near === undefined ? `There are: ${[...ids].join(', ') || 'none'}.` : `Did you mean ${type}::"${near}"?`,
    });
  }
  return result;
}

/** Actions about which nobody is asked. */
const UNASKED: ReadonlySet<string> = new Set(['send', 'spawn', 'output', 'emit']);

/** Calls wait for people; messages, child runs, outputs and events do not. */
function askedInVain({ id, effect, consequence, json, source }: LoadedPolicy): Problem[] {
  if (effect !== 'forbid' || consequence !== 'approval') return [];
  const { action, resource } = json as unknown as { readonly action: Scope; readonly resource: Scope };
  const ofCalls = [resource.entity_type, ...literalTypes(resource)].some((type) => type === 'Tool' || type === 'Model');
  const concerned = action.op === 'All' || [...literals(action)].some(({ id: name }) => UNASKED.has(name));
  if (ofCalls || !concerned) return [];
  const { file, line, column } = source;
  return [
    {
      severity: 'warning',
      kind: 'annotation',
      file,
      line,
      column,
      policy: id,
      message: 'Nobody is asked about messages, child runs, outputs and events: where this matches one, it is refused.',
      hint: 'If calls alone are meant, write action in Action::"call".',
    },
  ];
}

/** Policies of which none permits deny everything, which is hardly ever meant. A fault may hide the permit, so faults come first. */
function permitsNothing(sources: readonly PolicySource[], policies: readonly LoadedPolicy[], problems: readonly Problem[]): Problem[] {
  const [first] = sources;
  if (first === undefined || policies.some(({ effect }) => effect === 'permit')) return [];
  if (problems.some(({ severity }) => severity === 'error')) return [];
  return [
    {
      severity: 'warning',
      kind: 'never_applies',
      file: first.file,
      line: 1,
      column: 1,
      policy: undefined,
      message: 'No policy permits anything, so every call, message and child run is denied.',
      hint: 'Add a permit, such as permit (principal, action, resource); a forbid is stronger than any permit.',
    },
  ];
}

interface Scope {
  readonly op: string;
  readonly entity_type?: string;
}
const literalTypes = (json: unknown) => [...literals(json)].map(({ type }) => type);

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);

/** Every entity that a policy names. */
function* literals(json: unknown): Generator<{ type: string; id: string }> {
  if (Array.isArray(json)) {
    for (const item of json) yield* literals(item);
  } else if (typeof json === 'object' && json !== null) {
    const { type, id } = json as { type?: unknown; id?: unknown };
    if (typeof type === 'string' && typeof id === 'string') yield { type, id };
    else for (const value of Object.values(json)) yield* literals(value);
  }
}
