/** What a developer submits: a bundle and, for each agent in it, a manifest. Content-addressed by SHA-256. */
import * as z from 'zod';
import { AgentName, ToolName, type Digest } from './ids.ts';
import { isDeeperThan, type Json } from './json.ts';
import { ADMISSION, BUDGETS, CEILINGS, type Limit } from './limits.ts';

/** The name an agent gives a capability: an identifier, so that `caps.read` can be written. */
export const Alias = z.string().regex(/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/, 'a short identifier');

/** What an agent asks for under an alias: a tool of the host, a service of its tenant, or somebody's mailbox (which only a spawner can give). */
export const CapabilityRequest = z.union([
  z.templateLiteral(['tool:', ToolName]),
  z.templateLiteral(['service:', AgentName]),
  z.literal('mailbox'),
]);
export type CapabilityRequest = z.infer<typeof CapabilityRequest>;

/** A JSON Schema as data. Bounded in size and depth; never evaluated outside the agent's isolate (DESIGN 3.17). */
export const JsonSchema = z
  // Checked by size and depth, and not looked into any further.
  .record(z.string(), z.unknown() as z.ZodType<Json>)
  .refine((schema) => !isDeeperThan(schema, ADMISSION.schema_depth.default), {
    error: `nests deeper than ${ADMISSION.schema_depth.default} levels`,
    abort: true,
  })
  .refine((schema) => JSON.stringify(schema).length <= ADMISSION.schema_bytes.default, {
    error: `is larger than ${ADMISSION.schema_bytes.default} bytes`,
  });
export type JsonSchema = z.infer<typeof JsonSchema>;

/** An object with one optional number a row of a table of limits, each within its row's bounds. */
function amounts<T extends Record<string, Limit>>(table: T) {
  const shape = Object.fromEntries(
    Object.entries(table).map(([name, row]) => [name, z.int().min(row.min).max(row.max).exactOptional()]),
  ) as { [K in keyof T]: z.ZodExactOptional<z.ZodInt> };
  return z.strictObject(shape);
}

/** Ceilings somebody asks for; what is left out takes its default. */
export const CeilingsRequest = amounts(CEILINGS);
export type CeilingsRequest = z.infer<typeof CeilingsRequest>;

/** Amounts of a purse; what is left out takes its default, or at spawn nothing of it is moved. */
export const Budget = amounts(BUDGETS);
export type Budget = z.infer<typeof Budget>;

/** Checked in the service's own isolate; here for the people and programs that write to it. */
export const ServiceManifest = z.strictObject({
  key: JsonSchema.nullable(),
  state: JsonSchema.nullable(),
  on: z.record(Alias, z.strictObject({ message: JsonSchema.nullable(), reply: JsonSchema.nullable() })).refine(
    (on) => {
      const { length } = Object.keys(on);
      return length > 0 && length <= ADMISSION.handlers_per_service.default;
    },
    { error: `has no handler, or more than ${ADMISSION.handlers_per_service.default}` },
  ),
});
export type ServiceManifest = z.infer<typeof ServiceManifest>;

export const AgentManifest = z.strictObject({
  name: AgentName,
  purpose: z.string().max(500),
  image: z.enum(['base']),
  uses: z.record(Alias, CapabilityRequest).refine((uses) => Object.keys(uses).length <= ADMISSION.uses_per_agent.default, {
    error: `names more than ${ADMISSION.uses_per_agent.default} capabilities`,
  }),
  /** Agents of the same bundle that this one may spawn. */
  spawns: z.array(AgentName).max(ADMISSION.agents_per_bundle.max),
  input: JsonSchema.nullable(),
  output: JsonSchema.nullable(),
  ceilings: CeilingsRequest,
  budget: Budget,
  /** What becomes of a run whose call has an unknown result: it waits for a person, or the agent is told. */
  on_unknown: z.enum(['wait', 'tell']),
  /** Of a service: what its instances are told apart by, what each keeps, and the messages it takes. */
  service: ServiceManifest.exactOptional(),
});
export type AgentManifest = z.infer<typeof AgentManifest>;

/** A bundle as it is handed to the host: script source and the manifests of the agents it defines, the main one first. */
export const Bundle = z.strictObject({
  source: z.string().max(ADMISSION.bundle_bytes.max),
  source_map: z.string().exactOptional(),
  agents: z.array(AgentManifest).min(1).max(ADMISSION.agents_per_bundle.default),
});
export type Bundle = z.infer<typeof Bundle>;

/** An agent as the host keeps it. `version` is the digest of the bundle's digest and the manifest in canonical JSON. */
export interface AgentVersion {
  readonly version: Digest;
  readonly bundle: Digest;
  readonly manifest: AgentManifest;
}
