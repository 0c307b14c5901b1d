/** Operations on runs, and their receipts. */
import * as z from 'zod';
import { AgentName, ToolName } from '../ids.ts';
import { ACT_NAMES } from './acts.ts';
import { Reason, callFate, digest, identity, inTenant, json, runId, tenant, time_ms } from './parts.ts';
import { Role } from './roles.ts';
import { Page, listOf } from './schemas-page.ts';
import { RunSelector, oneOrMore } from './selector.ts';

const Preview = z.string().regex(/^[0-9a-f]{16}$/, 'the `preview` of a dry run');
const OperationName = z.enum(['pause', 'resume', 'cancel', 'kill', 'revoke']);
export const OperationTarget = z
  .union([
    z.strictObject({ run: runId }),
    z.strictObject({ agent: AgentName, ...inTenant }),
    z.strictObject({ version: digest, ...inTenant }),
    z.strictObject({ tenant }),
    z.strictObject({ all: z.literal(true) }),
    z.strictObject({ where: RunSelector }),
  ])
  .meta({
    id: 'OperationTarget',
    description:
      'Selects runs: one, those of an agent, of a version, of a tenant, all that you may operate, or those for which conditions hold.',
  });
export const OperationRequest = z
  .strictObject({
    operation: OperationName,
    target: OperationTarget,
    reason: Reason,
    dryRun: z.boolean().default(false),
    preview: Preview.exactOptional().describe(
      '`preview` of a dry run with the same target. `resume` and `revoke` need it for any target but one run or a list of runs: `resume` is refused with 409 if other runs match now; `revoke` reaches none that was beyond it, and names those. The other operations act on what matches now in any case, and name what was beyond it',
    ),
    tool: ToolName.exactOptional().describe('with `revoke`: the tool that is taken back from those of the runs that hold it'),
    family: z
      .boolean()
      .default(false)
      .describe(
        'with `pause`: also pauses all descendants of the runs; with `resume`: also resumes the descendants that such a pause had paused. `cancel` and `kill` always reach descendants, and take no `family`',
      ),
    halt: z
      .int()
      .min(1)
      .exactOptional()
      .describe(
        'with `resume` of one run: `halt` of the explanation that was shown. If the run was resumed or stopped once more since, it stays as it is, and the answer (409, `CORRAL_CHANGED`) says by whom. What stops a run takes none: it is never refused for that',
      ),
  })
  .meta({ id: 'OperationRequest' });

export interface ReceiptView {
  run: string;
  operation: string;
  by: string;
  reason: string;
  latency_ms: number;
  lifecycle: string;
  control: string;
  cell_killed: boolean;
  grants_revoked: number;
  calls_aborted: number;
  calls_unknown: number[];
  fenced?: { node: string; until?: number | undefined } | undefined;
  not_reached?: string[] | undefined;
  calls?: { call: number; tool: string; fate: z.infer<typeof callFate> }[] | undefined;
  children: ReceiptView[];
}
export const ReceiptView: z.ZodType<ReceiptView> = z
  .object({
    run: z.string(),
    operation: z.string(),
    by: z.string(),
    reason: z.string(),
    latency_ms: z.number(),
    lifecycle: z.string(),
    control: z.string(),
    cell_killed: z.boolean(),
    grants_revoked: z.int(),
    calls_aborted: z.int(),
    calls_unknown: z.array(z.int()),
    fenced: z
      .object({ node: z.string(), until: z.number().optional() })
      .optional()
      .describe(
        'the node that held the run when it was killed from another one: it can write nothing for the run any more, and calls that were durable before may leave it until then',
      ),
    not_reached: z
      .array(z.string())
      .optional()
      .describe('children that other nodes hold, which the command did not reach; they end with the run'),
    calls: z
      .array(z.object({ call: z.int(), tool: z.string(), fate: callFate }))
      .optional()
      .describe(
        'of `revoke`: what became of each call with the tool that had no result, the first 100; none of a run that was in no memory',
      ),
    get children(): z.ZodArray<z.ZodType<ReceiptView>> {
      return z.array(ReceiptView);
    },
  })
  .meta({ id: 'Receipt' });
const Reach = z
  .object({
    runs: z.int().describe('runs that would be operated on, with all below them where the operation reaches those'),
    children: z.int().describe('those of them that did not match themselves'),
    calls: z.array(z.object({ tool: z.string(), count: z.int() })).describe('their calls that have no answer yet, by tool, the most first'),
    other_calls: z.int().describe('such calls of further tools'),
  })
  .describe('of a dry run: what the operation would reach at that moment');
export const OperationResult = z
  .object({
    id: z.string(),
    at: time_ms,
    by: z.string(),
    who: identity.exactOptional(),
    roles: z.array(Role).describe('roles that the principal had then'),
    operation: z.string(),
    target: json,
    reason: z.string(),
    dryRun: z.boolean(),
    family: z.literal(true).exactOptional().describe('a pause or a resumption of all descendants of the runs'),
    config: z.string(),
    matched: z.array(z.string()).describe('runs that matched'),
    preview: Preview.exactOptional().describe('stands for the runs that matched; not in rows of the record'),
    beyond: z
      .array(z.string())
      .nullable()
      .exactOptional()
      .describe(
        'where the request named a preview: runs that matched and were not in it, which keep the tool after a `revoke`; null: the host does not know that preview any more',
      ),
    receipts: z.array(ReceiptView).describe('one for each run operated on; those of children are within their parent’s'),
    refused: z.array(z.object({ run: z.string(), code: z.string(), detail: z.string() })),
    reach: Reach.exactOptional(),
  })
  .meta({ id: 'OperationResult' });
export const OperationList = listOf(
  OperationResult.extend({ agent: z.string().exactOptional().describe('of the only run that it was on; left out otherwise') }),
);
export const OperationQuery = Page.extend({
  ...inTenant,
  operation: oneOrMore(z.enum(ACT_NAMES)).exactOptional().describe('name of the act, or several'),
  by: z.string().min(1).max(200).exactOptional().describe('who did it'),
  run: runId.exactOptional().describe('a run that it was meant for or reached'),
  since: z.coerce.number().int().min(0).exactOptional().describe('done at this time or after, in milliseconds since 1970'),
  until: z.coerce.number().int().min(0).exactOptional().describe('done before this time'),
});
