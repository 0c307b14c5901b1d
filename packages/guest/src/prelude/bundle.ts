/** Finds the agents that a bundle defines: the main one and all that can be reached from it through `spawns` and `services`. */
import type { SpareConfig } from '../abi.ts';
import type { AgentDefinition, AgentOptions, Schema } from '../sdk/types.ts';
import type { ServiceOptions } from '../sdk/service.ts';
import { AGENT } from '../sdk/types.ts';
import { raise } from './errors.ts';
import { classOf } from './schema.ts';
import { article } from './values.ts';

interface BundleExports {
  readonly default?: AgentDefinition | undefined;
  /** Added by the bundler for schema libraries that cannot write JSON Schema without it. */
  readonly toJSONSchema?: (schema: unknown, options: object) => object;
}

function agentsOf(bundle: BundleExports | undefined): Map<string, AgentOptions> {
  const main = bundle?.default?.[AGENT];
  if (main === undefined)
    throw raise(
      'CORRAL_BUNDLE_INVALID',
      `The default export is ${whatIs(bundle?.default)}, and not what defineAgent or defineService made: write \`export default defineAgent({ … })\`.`,
    );
  const found = new Map<string, AgentOptions>();
  const visit = (options: AgentOptions) => {
    const known = found.get(options.name);
    if (known === options) return;
    if (known !== undefined) throw raise('CORRAL_MANIFEST_INVALID', `Two agents of the bundle are called ${options.name}.`);
    found.set(options.name, options);
    for (const [alias, child] of Object.entries(options.spawns ?? {})) {
      const inner = child?.[AGENT];
      if (inner === undefined)
        throw raise(
          'CORRAL_MANIFEST_INVALID',
          `${options.name} spawns ${alias}, which is ${whatIs(child)}, and not what defineAgent made.`,
        );
      if (isService(inner)) throw raise('CORRAL_MANIFEST_INVALID', `${options.name} spawns ${alias}, a service: name it in \`services\`.`);
      visit(inner);
    }
    for (const [alias, service] of Object.entries(options.services ?? {})) {
      const inner = service?.[AGENT];
      if (inner === undefined || !isService(inner))
        throw raise(
          'CORRAL_MANIFEST_INVALID',
          `${options.name} brings along ${alias}, which is ${inner === undefined ? whatIs(service) : 'an agent'}, and not what defineService made.`,
        );
      visit(inner);
    }
  };
  visit(main);
  return found;
}

/** Members of an object that a message names. */
const MEMBERS = 8;

/** A value that stands where an agent should: `a Map`, `a function (work)`, `an object (name, run)`. */
function whatIs(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function') return `a function${value.name === '' ? '' : ` (${value.name.slice(0, CHARS)})`}`;
  if (typeof value !== 'object') return article(typeof value);
  const name = classOf(value);
  if (name !== undefined) return article(name);
  const members = Object.keys(value);
  const shown = members.slice(0, MEMBERS).map((member) => member.slice(0, CHARS));
  return members.length === 0
    ? 'an empty object, as that of a file without exports'
    : `an object (${shown.join(', ')}${members.length > MEMBERS ? ', …' : ''})`;
}
const CHARS = 100;

export function findAgent(bundle: BundleExports | undefined, name: string): AgentDefinition {
  const options = agentsOf(bundle).get(name);
  if (options === undefined) throw raise('CORRAL_BUNDLE_INVALID', `The bundle defines no agent called ${name}.`);
  return { ...options, [AGENT]: options } as unknown as AgentDefinition;
}

/**
 * The manifests of all agents, the main one first. The host validates them.
 * @param needs what the bundle needs
 */
export function describeBundle(bundle: BundleExports | undefined, needs: Pick<SpareConfig, 'image' | 'describe_uses'>): object[] {
  return [...agentsOf(bundle).values()].map((options) => ({
    ...(isService(options) ? { service: describeService(bundle, options) } : {}),
    name: options.name,
    purpose: options.purpose ?? '',
    image: needs.image,
    uses: { ...options.uses },
    spawns: Object.values(options.spawns ?? {}).map((child) => child[AGENT].name),
    ...(options.code === true ? { code: true } : {}),
    input: jsonSchema(bundle, options, 'input'),
    output: jsonSchema(bundle, options, 'output'),
    ceilings: { ...options.ceilings },
    budget: { ...options.budget },
    on_unknown: options.onUnknown ?? 'wait',
    ...(needs.describe_uses === true ? { describe_uses: true } : {}),
  }));
}

const isService = (options: unknown): options is ServiceOptions & AgentOptions =>
  typeof (options as Partial<ServiceOptions>).on === 'object';

function describeService(bundle: BundleExports | undefined, options: ServiceOptions): object {
  const { name, key, state, on } = options;
  return {
    key: schemaOf(bundle, key, 'input', `key schema of ${name}`),
    state: schemaOf(bundle, state, 'output', `state schema of ${name}`),
    on: Object.fromEntries(
      Object.entries(on).map(([which, { message, reply }]) => [
        which,
        {
          message: schemaOf(bundle, message, 'input', `message schema of ${name}.${which}`),
          reply: schemaOf(bundle, reply, 'output', `reply schema of ${name}.${which}`),
        },
      ]),
    ),
  };
}

function jsonSchema(bundle: BundleExports | undefined, options: AgentOptions, which: 'input' | 'output'): object | null {
  return schemaOf(bundle, options[which], which, `${which} schema of ${options.name}`);
}

function schemaOf(bundle: BundleExports | undefined, schema: Schema | undefined, which: 'input' | 'output', what: string): object | null {
  if (schema === undefined) return null;
  const standard = schema['~standard'];
  try {
    const settings = { target: 'draft-2020-12' as const };
    if (standard?.jsonSchema !== undefined) return standard.jsonSchema[which](settings);
    if (standard?.vendor === 'zod' && bundle?.toJSONSchema !== undefined) return bundle.toJSONSchema(schema, { ...settings, io: which });
  } catch (error) {
    throw raise(
      'CORRAL_SCHEMA_INVALID',
      `The ${what} cannot be written as JSON Schema: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  throw raise('CORRAL_SCHEMA_INVALID', `The ${what} is not a Standard Schema that can be written as JSON Schema.`);
}
