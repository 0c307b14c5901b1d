/** Deployments: a bundle and a manifest for each agent in it. Addressed by SHA-256 of the content. */
import * as z from 'zod';
import { AgentName, HttpName, ModelName, ToolName, type Digest } from '../ids.ts';
import { isDeeperThan, type Json } from '../json.ts';
import { ADMISSION, BUDGETS, CEILINGS, type Limit } from '../limits.ts';

/** An agent's alias of a capability: an identifier, so that `caps.read` is valid code. */
export const Alias = z.string().regex(/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/, 'a short identifier');

/** Name of an MCP server or a memory in a configuration. The names of its tools begin with it. */
export const SourceName = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'a short name in lower case');
/** The capability of one tool among those of a server or a memory: `crm.search` for an agent that has `crm: 'mcp:crm'`. */
const MEMBER = /^[a-zA-Z][a-zA-Z0-9_]{0,63}(?:\.[a-z0-9._/-]{1,100})?$/;
export const CapabilityAlias = z.string().regex(MEMBER, 'a short identifier, or one and the name of a tool');

/**
 * The target of an alias: a tool or a model of the host, what it lets agents ask by HTTP, all tools of an MCP server or of a memory, a service
 * of its tenant, or a mailbox (which only a spawning run can give).
 */
export const CapabilityRequest = z.union([
  z.templateLiteral(['tool:', ToolName]),
  z.templateLiteral(['service:', AgentName]),
  z.templateLiteral(['model:', ModelName]),
  z.templateLiteral(['http:', HttpName]),
  z.templateLiteral(['mcp:', SourceName]),
  z.templateLiteral(['kv:', SourceName]),
  z.templateLiteral(['files:', SourceName]),
  z.templateLiteral(['memory:', SourceName]),
  z.literal('mailbox'),
]);
export type CapabilityRequest = z.infer<typeof CapabilityRequest>;

/** A JSON Schema as data. Its size and depth are limited; it is never evaluated outside of the agent's isolate. */
export const JsonSchema = z
  // Only size and depth are checked.
  .record(z.string(), z.unknown() as z.ZodType<Json>)
  .refine((schema) => !isDeeperThan(schema, ADMISSION.schema_depth.default), {
    error: `nests deeper than ${ADMISSION.schema_depth.default} levels`,
    abort: true,
  })
  .refine((schema) => JSON.stringify(schema).length <= ADMISSION.schema_bytes.default, {
    error: `is larger than ${ADMISSION.schema_bytes.default} bytes`,
  });
export type JsonSchema = z.infer<typeof JsonSchema>;

/** An object with an optional number for each row of a table of limits, within the limits of that row. */
function amounts<T extends Record<string, Limit>>(table: T) {
  const shape = Object.fromEntries(
    Object.entries(table).map(([name, row]) => [name, z.int().min(row.min).max(row.max).exactOptional()]),
  ) as { [K in keyof T]: z.ZodExactOptional<z.ZodInt> };
  return z.strictObject(shape);
}

/** Requested ceilings; a missing one has its default. */
export const CeilingsRequest = amounts(CEILINGS);
export type CeilingsRequest = z.infer<typeof CeilingsRequest>;

/** Amounts of a purse; a missing one has its default. */
export const Budget = amounts(BUDGETS);
export type Budget = z.infer<typeof Budget>;

/**
 * Schemas of a service. Messages are checked in the service's own isolate; these are for the people and programs that write to
 * it.
 */
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
  image: z.enum(['base', 'web', 'node']),
  uses: z.record(Alias, CapabilityRequest).refine((uses) => Object.keys(uses).length <= ADMISSION.uses_per_agent.default, {
    error: `names more than ${ADMISSION.uses_per_agent.default} capabilities`,
  }),
  /** Agents of the same bundle that this one may spawn. */
  spawns: z.array(AgentName).max(ADMISSION.agents_per_bundle.max),
  /** It may run programs that it makes at run time, each as a child run. */
  code: z.literal(true).exactOptional(),
  input: JsonSchema.nullable(),
  output: JsonSchema.nullable(),
  ceilings: CeilingsRequest,
  budget: Budget,
  /** For a call with an unknown result: the run waits for a person, or its agent receives an error. */
  on_unknown: z.enum(['wait', 'tell']),
  /** It is told the descriptions and schemas of its tools at its start. */
  describe_uses: z.literal(true).exactOptional(),
  /** For a service: schemas of its keys, of each instance's state, and of the messages of each handler. */
  service: ServiceManifest.exactOptional(),
});
export type AgentManifest = z.infer<typeof AgentManifest>;

/** A bundle as deployed: source and the manifests of its agents, the main one first. */
export const Bundle = z.strictObject({
  source: z.string().max(ADMISSION.bundle_bytes.max),
  source_map: z.string().exactOptional(),
  agents: z.array(AgentManifest).min(1).max(ADMISSION.agents_per_bundle.default),
});
export type Bundle = z.infer<typeof Bundle>;

/** A stored agent. `version` is the digest of the bundle's digest and the manifest in canonical JSON. */
export interface AgentVersion {
  readonly version: Digest;
  readonly bundle: Digest;
  readonly manifest: AgentManifest;
}
