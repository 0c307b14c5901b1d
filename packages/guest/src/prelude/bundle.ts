/** What a bundle defines: its main agent and all that can be reached from it through `spawns`. */
import type { AgentDefinition, AgentOptions, Schema } from '../sdk/types.ts';
import { AGENT } from '../sdk/types.ts';
import { raise } from './errors.ts';

interface BundleExports {
  readonly default?: AgentDefinition | undefined;
  /** Put there by the bundler where a schema library needs help to write JSON Schema. */
  readonly toJSONSchema?: (schema: unknown, options: object) => object;
}

function agentsOf(bundle: BundleExports | undefined): Map<string, AgentOptions> {
  const main = bundle?.default?.[AGENT];
  if (main === undefined) throw raise('CORRAL_BUNDLE_INVALID', 'The bundle has no default export made by defineAgent.');
  const found = new Map<string, AgentOptions>();
  const visit = (options: AgentOptions) => {
    const known = found.get(options.name);
    if (known === options) return;
    if (known !== undefined) throw raise('CORRAL_MANIFEST_INVALID', `Two agents of the bundle are called ${options.name}.`);
    found.set(options.name, options);
    for (const [alias, child] of Object.entries(options.spawns ?? {})) {
      const inner = child?.[AGENT];
      if (inner === undefined)
        throw raise('CORRAL_MANIFEST_INVALID', `${options.name} spawns ${alias}, which was not made by defineAgent.`);
      visit(inner);
    }
  };
  visit(main);
  return found;
}

export function findAgent(bundle: BundleExports | undefined, name: string): AgentDefinition {
  const options = agentsOf(bundle).get(name);
  if (options === undefined) throw raise('CORRAL_BUNDLE_INVALID', `The bundle defines no agent called ${name}.`);
  return { ...options, [AGENT]: options } as unknown as AgentDefinition;
}

/** The manifests of all agents, the main one first. The host validates them; this only writes them down. */
export function describeBundle(bundle: BundleExports | undefined): object[] {
  return [...agentsOf(bundle).values()].map((options) => ({
    name: options.name,
    purpose: options.purpose ?? '',
    image: options.image ?? 'base',
    uses: { ...options.uses },
    spawns: Object.values(options.spawns ?? {}).map((child) => child[AGENT].name),
    input: jsonSchema(bundle, options, 'input'),
    output: jsonSchema(bundle, options, 'output'),
    ceilings: { ...options.ceilings },
    budget: { ...options.budget },
    on_unknown: options.onUnknown ?? 'wait',
  }));
}

function jsonSchema(bundle: BundleExports | undefined, options: AgentOptions, which: 'input' | 'output'): object | null {
  const schema: Schema | undefined = options[which];
  if (schema === undefined) return null;
  const standard = schema['~standard'];
  try {
    const settings = { target: 'draft-2020-12' as const };
    if (standard?.jsonSchema !== undefined) return standard.jsonSchema[which](settings);
    if (standard?.vendor === 'zod' && bundle?.toJSONSchema !== undefined) return bundle.toJSONSchema(schema, { ...settings, io: which });
  } catch (error) {
    throw raise(
      'CORRAL_SCHEMA_INVALID',
      `The ${which} schema of ${options.name} cannot be written as JSON Schema: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  throw raise('CORRAL_SCHEMA_INVALID', `The ${which} of ${options.name} is no Standard Schema that can be written as JSON Schema.`);
}
