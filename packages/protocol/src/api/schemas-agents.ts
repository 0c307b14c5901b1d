/** Agents: deploying, listing, aliases; and tools. */
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { ADMISSION } from '../limits.ts';
import { AgentManifest } from '../model/manifest.ts';
import { dryRun, Reason, digest, inTenant, json, tenant, time_ms } from './parts.ts';
import { AliasName, Page, listOf } from './schemas-page.ts';

export const AgentVersion = z
  .object({ agent: AgentName, version: digest, bundle: digest, deployed_at: time_ms, deployed_by: z.string(), manifest: AgentManifest })
  .meta({ id: 'AgentVersion' });
export const AgentAlias = z
  .object({ alias: z.string(), version: digest, moved_at: time_ms, moved_by: z.string(), before: digest.nullable() })
  .meta({ id: 'AgentAlias' });
export const Agent = z
  .object({
    tenant,
    agent: AgentName,
    purpose: z.string(),
    latest: digest,
    versions: z.int(),
    aliases: z.array(AgentAlias),
    resting: z
      .array(z.object({ version: digest, why: z.string(), until: time_ms }))
      .describe('versions with an open breaker: too many runs failed, and none is admitted'),
  })
  .meta({ id: 'Agent' });
export const AgentDetail = Agent.extend({ history: z.array(AgentVersion) }).meta({ id: 'AgentDetail' });
export const AgentList = listOf(Agent);
export const AgentQuery = Page.extend({ ...inTenant, q: z.string().max(100).exactOptional() });
export const SourceMapPath = z.strictObject({ bundle: digest });
export const InTenant = z.strictObject(inTenant);

export const DeployRequest = z
  .strictObject({
    ...inTenant,
    source: z.string().max(ADMISSION.bundle_bytes.max).describe('the bundle: one script'),
    describing: z.string().max(ADMISSION.bundle_bytes.max).exactOptional().describe('the bundle with code that writes its schemas'),
    source_map: z.string().max(ADMISSION.bundle_bytes.max).exactOptional().describe('for readers of stacks; the host does not use it'),
    alias: AliasName.exactOptional().describe('also point this alias at it'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'DeployRequest' });
const stays = z
  .array(z.object({ alias: z.string(), version: digest.nullable().describe('null: there is none'), owner: z.string() }))
  .describe('aliases that are as they were, since the agent is that of another deployment, named by its main agent');
export const Deployed = z
  .object({ agents: z.array(AgentVersion.extend({ stays })), alias: z.string().nullable() })
  .meta({ id: 'Deployed' });
export const SourceMap = z.object({ bundle: digest, source_map: z.string().nullable() }).meta({ id: 'SourceMap' });
export const MoveAlias = z
  .strictObject({ ...inTenant, version: digest, reason: Reason.exactOptional(), ...dryRun })
  .meta({ id: 'MoveAlias' });
export const RollBack = z.strictObject({ ...inTenant, reason: Reason, ...dryRun }).meta({ id: 'RollBack' });

export const ToolQuery = z.strictObject({
  tenant: z
    .union([tenant, z.literal('*')])
    .exactOptional()
    .describe('for principals of the whole host; `*`: the tools of every tenant. Others get those of their own tenant'),
});
export const ToolView = z
  .object({
    tenant,
    tool: z.string(),
    description: z.string(),
    input: z.record(z.string(), json).describe('JSON Schema'),
    output: z.record(z.string(), json).describe('JSON Schema'),
    annotations: z.record(z.string(), json),
  })
  .meta({ id: 'Tool' });
export const ToolList = z.object({ items: z.array(ToolView) });
