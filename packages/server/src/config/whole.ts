/**
 * Checks that each name a configuration mentions exists. A misspelt name would make a rule that never applies, and nobody would
 * notice before the rule was needed.
 */
import { nearest } from '@corral/policy/cedar/problem';
import { isRiskClass, isRiskOf } from '@corral/policy/pack/risk';
import type { Returns, Tool } from '@corral/protocol/ports/tool';
import { faultsOfAnnotations } from '@corral/tools/annotated';
import { resolveReturns } from '@corral/tools/returned-fields';
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
    ...Object.entries(config.telemetry?.otlp?.headers ?? {}).flatMap(([header, secret]) =>
      unknownSecret(config, ['telemetry', 'otlp', 'headers', header], secret),
    ),
    ...(Array.isArray(config.telemetry?.content) ? config.telemetry.content : []).flatMap((tenant, i) =>
      unknownTenant(config, ['telemetry', 'content', i], tenant),
    ),
    ...config.webhooks.flatMap(({ secret, tenant }, i): Fault[] => [
      ...unknownSecret(config, ['webhooks', i, 'secret'], secret),
      ...unknownTenant(config, ['webhooks', i, 'tenant'], tenant),
    ]),
    ...config.webhooks.flatMap(({ id }, i, all): Fault[] =>
      id !== undefined && all.findIndex((one) => one.id === id) < i
        ? [{ path: ['webhooks', i, 'id'], message: `another receiver has the id ${id}` }]
        : [],
    ),
    ...Object.keys(config.tool_limits).flatMap((name) => unknownTool(['tool_limits'], name)),
    ...Object.keys(config.annotations).flatMap((name) => unknownTool(['annotations'], name)),
    ...Object.entries(config.annotations).flatMap(([name, { returns }]) => faultsOfFields(name, returns, tools)),
    ...tools.flatMap((tool) => faultsOfAnnotations(tool).map(({ annotation, message }) => ({ path: [tool.name, annotation], message }))),
  ];
}

/** Fields of no result would leave those of strangers to the system. */
function faultsOfFields(name: string, returns: Returns | undefined, tools: readonly Tool[]): Fault[] {
  const tool = tools.find((one) => one.name === name);
  if (returns === undefined || tool === undefined) return [];
  return resolveReturns(returns, () => tool.output.schema).faults.map(({ message }) => ({
    path: ['annotations', name, 'returns'],
    message,
  }));
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

const unknownTenant = ({ tenants }: Config, path: readonly PropertyKey[], name: string | undefined): Fault[] =>
  name === undefined || Object.hasOwn(tenants, name)
    ? []
    : [{ path, message: `there is no tenant ${name}${meant(name, Object.keys(tenants))}` }];

const meant = (name: string, known: readonly string[]) => {
  const one = nearest(name, [...known]);
  return one === undefined ? '' : `; did you mean ${one}?`;
};
