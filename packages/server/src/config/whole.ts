/**
 * Checks that each name a configuration mentions exists. A misspelt name would make a rule that never applies, and nobody would
 * notice before the rule was needed.
 */
import { nearest } from '@corral/policy/cedar/problem';
import { isRiskClass, isRiskOf } from '@corral/policy/pack/risk';
import type { Json } from '@corral/protocol/json';
import type { JsonSchema } from '@corral/protocol/ports/contract';
import type { Tool } from '@corral/protocol/ports/tool';
import { referredIn } from '@corral/tools/host/evaluate';
import type { Config } from './schema.ts';

/** One fault, and its place in the file. */
export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** @returns every fault of a name, those of tools included */
export function faultsOfNames(config: Config, tools: readonly Tool[]): Fault[] {
  const names = tools.map((tool) => tool.name);
  const known = new Set(names);
  const unknownTool = (path: readonly PropertyKey[], name: string): Fault[] =>
    known.has(name) ? [] : [{ path, message: `there is no tool ${name}${meant(name, names)}` }];
  return [
    ...Object.entries(config.tenants).flatMap(([tenant, own]) => [
      ...own.tools.flatMap((name) => (name === '*' ? [] : unknownTool(['tenants', tenant, 'tools'], name))),
      ...Object.keys(own.tool_limits ?? {}).flatMap((name) => unknownTool(['tenants', tenant, 'tool_limits'], name)),
      ...Object.keys((own.loops === undefined || own.loops === false ? undefined : own.loops.tools) ?? {}).flatMap((name) =>
        unknownTool(['tenants', tenant, 'loops', 'tools'], name),
      ),
    ]),
    ...faultsOfRisk(config.risk, ['risk'], tools, unknownTool),
    ...Object.entries(config.tenants).flatMap(([tenant, own]) => faultsOfRisk(own.risk, ['tenants', tenant, 'risk'], tools, unknownTool)),
    ...unknownSecret(config, ['wakeups', 'password'], config.wakeups?.password),
    ...config.webhooks.flatMap(({ secret, tenant }, i): Fault[] => [
      ...unknownSecret(config, ['webhooks', i, 'secret'], secret),
      ...(tenant === undefined || Object.hasOwn(config.tenants, tenant)
        ? []
        : [{ path: ['webhooks', i, 'tenant'], message: `there is no tenant ${tenant}${meant(tenant, Object.keys(config.tenants))}` }]),
    ]),
    ...config.webhooks.flatMap(({ id }, i, all): Fault[] =>
      id !== undefined && all.findIndex((one) => one.id === id) < i
        ? [{ path: ['webhooks', i, 'id'], message: `another receiver has the id ${id}` }]
        : [],
    ),
    ...Object.keys(config.tool_limits).flatMap((name) => unknownTool(['tool_limits'], name)),
    ...Object.keys(config.annotations).flatMap((name) => unknownTool(['annotations'], name)),
    ...tools.flatMap((tool) => faultsOfArguments(tool)),
  ];
}

/** Thresholds for no tool never apply, and those for a tool whose amounts are not known would refuse each of its calls. */
function faultsOfRisk(
  risk: Config['risk'],
  path: readonly PropertyKey[],
  tools: readonly Tool[],
  unknownTool: (path: readonly PropertyKey[], name: string) => Fault[],
): Fault[] {
  return Object.entries(risk ?? {}).flatMap(([name, rule]): Fault[] => {
    if (isRiskClass(name)) return [];
    const about = tools.filter((tool) => isRiskOf(name, tool.name));
    const at = [...path, name];
    if (about.length === 0) return unknownTool(at, name);
    if (typeof rule === 'string') return [];
    return about
      .filter(({ annotations }) => !annotations.readOnly && annotations.money === undefined)
      .map((tool) => ({
        path: at,
        message: `${tool.name} changes something, and its annotation money does not say which argument holds the amount`,
      }));
  });
}

const unknownSecret = ({ secrets }: Config, path: readonly PropertyKey[], name: string | undefined): Fault[] =>
  name === undefined || Object.hasOwn(secrets, name)
    ? []
    : [{ path, message: `there is no secret ${name}${meant(name, Object.keys(secrets))}` }];

const meant = (name: string, known: readonly string[]) => {
  const one = nearest(name, [...known]);
  return one === undefined ? '' : `; did you mean ${one}?`;
};

/**
 * Annotations name arguments. A misspelt argument would switch off the check that depends on it, such as the budget of a payment.
 */
function faultsOfArguments({ name, annotations, input }: Tool): Fault[] {
  const { destinations = [], money, costs = {} } = annotations;
  const said: (readonly [string, string, boolean])[] = [
    ...destinations.map((argument) => ['destinations', argument, false] as const),
    ...(money === undefined ? [] : [['money', money, true] as const]),
    ...Object.entries(costs).flatMap(([amount, argument]) =>
      typeof argument === 'string' ? [[`costs.${amount}`, argument, true] as const] : [],
    ),
  ];
  return said.flatMap(([annotation, argument, isAmount]): Fault[] => {
    const found = argumentsAt(input.schema, argument);
    const path = [name, annotation];
    if (found === undefined) {
      const hint = meant(argument, namesIn(input.schema, input.schema));
      return [{ path, message: `${name} has no argument ${argument}, which its annotation ${annotation} names${hint}` }];
    }
    if (isAmount && found.length > 0 && !found.some((one) => mayBeAmount(input.schema, one)))
      return [{ path, message: `the argument ${argument} of ${name}, which its annotation ${annotation} names, is not a number` }];
    return [];
  });
}

const isObject = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schemas that a schema may stand for: the targets of its references and the branches of its unions. */
function branches(root: JsonSchema, schema: unknown, seen = new Set<unknown>()): JsonSchema[] {
  if (!isObject(schema) || seen.has(schema)) return [];
  seen.add(schema);
  const { $ref } = schema;
  if (typeof $ref === 'string') return branches(root, referredIn(root, $ref), seen);
  const more = ['anyOf', 'oneOf', 'allOf'].flatMap((word) =>
    Array.isArray(schema[word]) ? schema[word].flatMap((one) => branches(root, one, seen)) : [],
  );
  return [schema, ...more];
}

/**
 * The schemas of an argument by its path; undefined: the tool has no argument of that name. Empty: the tool accepts any members
 * there.
 */
function argumentsAt(root: JsonSchema, path: string): JsonSchema[] | undefined {
  let here = branches(root, root);
  for (const name of path.split('.')) {
    if (here.every((one) => isOpen(one))) return [];
    const next = here.flatMap((one) => {
      const properties = one['properties'];
      if (isObject(properties) && Object.hasOwn(properties, name)) return branches(root, properties[name]);
      return isObject(one['additionalProperties']) ? branches(root, one['additionalProperties']) : [];
    });
    if (next.length === 0) return here.some((one) => isObject(one['additionalProperties'])) ? [] : undefined;
    here = next;
  }
  return here;
}

/** Whether a schema says nothing about members, so that any are allowed. */
const isOpen = (schema: JsonSchema): boolean =>
  schema['properties'] === undefined && schema['type'] === undefined && schema['anyOf'] === undefined && schema['oneOf'] === undefined;

const namesIn = (root: JsonSchema, schema: JsonSchema): string[] =>
  branches(root, schema).flatMap((one) => (isObject(one['properties']) ? Object.keys(one['properties']) : []));

/** A number, or text that may hold one: amounts are read from both. */
function mayBeAmount(root: JsonSchema, schema: JsonSchema): boolean {
  return branches(root, schema).some(({ type, const: fixed, enum: words }) => {
    if (fixed !== undefined) return typeof fixed === 'number' || typeof fixed === 'string';
    if (Array.isArray(words)) return true;
    const types = Array.isArray(type) ? (type as readonly Json[]) : [type];
    return types.some((one) => one === undefined || one === 'number' || one === 'integer' || one === 'string');
  });
}
