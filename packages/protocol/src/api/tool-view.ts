/** The API about one tool: who declares it, which runs hold it, and who called it lately. */
import * as z from 'zod';
import { AgentName, ToolName } from '../ids.ts';
import { digest, json, runId, tenant, time_ms } from './parts.ts';
import { route } from './route.ts';
import { InTenant } from './schemas-agents.ts';

/** Calls that are kept of each tool. */
export const LATE_CALLS = 20;

const holding = z.int().describe('its runs that hold the tool: by a grant that is not revoked, nor one that it was derived from');
const ToolDetail = z
  .object({
    tenant,
    tool: ToolName,
    offered: z.boolean().describe('false: the host does not offer it now'),
    description: z.string().describe('empty if it is not offered'),
    annotations: z.record(z.string(), json),
    quarantined: z.object({ by: z.string(), reason: z.string(), at: time_ms }).nullable(),
    resting: z
      .object({ state: z.enum(['open', 'half_open']), why: z.string(), until: time_ms })
      .nullable()
      .describe('its breaker, if too many calls failed'),
    declared: z
      .array(
        z.object({
          agent: AgentName,
          version: digest,
          latest: z.boolean(),
          aliases: z.array(z.string()).describe('that point at this version, besides `latest`'),
          as: z.array(z.string()).describe('names by which the agent uses it'),
          live: z.int().describe('runs of this version that have not ended'),
          holding,
        }),
      )
      .describe('versions that declare it and that an alias points at, or that have runs which have not ended'),
    handed: z
      .array(z.object({ agent: AgentName, version: digest, holding }))
      .describe('versions that do not declare it, and whose runs were handed it while they went on'),
    holding: z.int().describe('all runs that hold it; `GET /v1/runs?holds=` lists them'),
    under_way: z.int().describe('calls of it on this host that have no answer yet'),
    called: z
      .array(
        z.object({
          run: runId,
          agent: z.string().describe('empty if the run was not listed yet'),
          call: z.int(),
          at: time_ms.describe('when the call was over, in milliseconds since 1970'),
          ms: z.number().nullable().describe('how long the agent had waited for it; null: that is not known'),
          code: z.string().nullable().describe('code of the error; null: it was answered'),
        }),
      )
      .describe(`the last ${LATE_CALLS} calls that are over, the latest first`),
  })
  .meta({ id: 'ToolDetail' });
export type ToolDetail = z.infer<typeof ToolDetail>;

export const TOOL_VIEW_ROUTES = {
  showTool: route({
    method: 'GET',
    path: '/v1/tools/:tool/reach',
    tag: 'agents',
    summary: 'Says who may reach a tool: the agents that declare it, the runs that hold it, and the last calls.',
    operation: 'agent.read',
    params: z.strictObject({ tool: ToolName.meta({ examples: ['payments.send'] }) }),
    query: InTenant,
    status: 200,
    response: ToolDetail,
  }),
};
