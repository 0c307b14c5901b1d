/** Schemas of revoked grants, and of candidates that are evaluated beside the policies in force. */
import * as z from 'zod';
import { ContextChange } from '../model/context.ts';
import { GrantId } from '../ids.ts';
import { callFate, dryRun, Reason, runId, tenant, time_ms } from './parts.ts';

export const GrantPath = z.strictObject({ grant: GrantId.meta({ examples: ['grant_7m2p4q5r3k9x'] }) });
export const Revocation = z
  .strictObject({
    reason: Reason,
    ...dryRun,
    preview: z
      .string()
      .regex(/^[0-9a-f]{16}$/, 'the `preview` of a dry run')
      .exactOptional()
      .describe('of a dry run: refused with 409 if the revocation would reach other runs or calls now'),
  })
  .meta({ id: 'Revocation' });
export const Revoked = z
  .object({
    grant: z.string(),
    run: runId.describe('who held it'),
    tenant,
    by: z.string(),
    reason: z.string(),
    runs: z.array(runId).describe('runs in memory that hold it or a grant derived from it'),
    preview: z.string().describe('stands for these runs and their calls under way'),
    calls_aborted: z
      .int()
      .describe(
        'calls under way with it or with a grant derived from it, without those that had been aborted before; their results are withheld from their agents',
      ),
    calls: z
      .array(
        z.object({
          run: runId,
          call: z.int(),
          tool: z.string(),
          fate: callFate,
        }),
      )
      .describe('what became of each call with it that had no result: the first 100, of runs in memory'),
  })
  .meta({ id: 'Revoked' });

export const ContextList = z.object({ items: z.array(ContextChange).describe('by journal entry, the latest 1,000') });

export const Shadow = z
  .object({
    tenant,
    version: z.string().describe('of the policies in force'),
    candidate: z.string(),
    since: time_ms,
    decisions: z.int().describe('calls that the candidate was evaluated for'),
    dropped: z.int().describe('calls that it was not evaluated for because the host was busy'),
    differing: z.int(),
    changes: z.record(z.string(), z.int()).describe('number of each: `allow → deny (approval)`'),
    examples: z
      .array(
        z.object({
          origin: z.string().describe('run, crank and call'),
          agent: z.string(),
          person: z.string(),
          action: z.string().describe('`tool:payments.send`, `send:claims`, `spawn:reader`'),
          was: z.string(),
          would: z.string(),
          rules: z.array(z.string()).describe('that decided'),
          would_rules: z.array(z.string()).describe('that would have'),
        }),
      )
      .describe('the first that differ'),
  })
  .meta({ id: 'Shadow' });
export const ShadowList = z.object({ items: z.array(Shadow) });
