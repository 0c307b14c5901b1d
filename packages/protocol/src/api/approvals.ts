/** What people see and say about calls: approvals, decisions, quarantines, and what a run could reach. */
import * as z from 'zod';
import { identity, json, Reason, runId, tenant, time_ms } from './parts.ts';

const lowered = z.object({ kind: z.enum(['endorse', 'declassify']), names: z.array(z.string()).describe('taken out of the label') });
const names = z.array(z.string());

export const DecisionView = z
  .object({
    call: z.int(),
    crank: z.int().describe('entry of the journal it was decided in'),
    at: time_ms,
    action: z.enum(['call', 'send', 'spawn']),
    tool: z.string().describe('of a message or a child run: the agent it was for'),
    verdict: z.enum(['allow', 'deny', 'ask']),
    rules: z.array(z.string()).describe('policies that decided'),
    policy: z.string().describe('version of the policies that were asked'),
    unusual: z.array(z.string()),
    origins: z.array(z.object({ path: z.string(), origin: z.string() })).describe('where its arguments came from, the worst first'),
    code: z.string().nullable().describe('of a denial'),
    people: z.array(
      z.object({
        by: z.string(),
        verdict: z.enum(['approve', 'deny', 'expired']),
        reason: z.string(),
        at: time_ms,
        lowered: lowered.exactOptional(),
        who: identity.exactOptional(),
      }),
    ),
  })
  .meta({ id: 'Decision' });
export const Approval = z
  .object({
    run: runId,
    call: z.int(),
    tenant,
    agent: z.string(),
    principal: z.string().describe('who submitted the run, and so may not decide'),
    tool: z.string(),
    input: json,
    rules: z.array(z.string()).describe('policies that ask'),
    unusual: z.array(z.string()).describe('what is out of the ordinary about it'),
    origins: z.array(z.object({ path: z.string(), origin: z.string() })).describe('where its arguments came from, the worst first'),
    order: z
      .object({ by: z.string(), input: json, private_to: names })
      .describe('what the people behind the run asked for; `input` is null where it is private to somebody else than who reads this'),
    quotes: z
      .array(
        z.object({
          path: z.string().describe('of the argument'),
          source: z.string().describe('the tool that answered, or the agent that wrote'),
          call: z.int().nullable(),
          trusted: z.boolean(),
          private_to: names,
          text: z.string().nullable().describe('around what stands in the argument; null where it is private to somebody else'),
        }),
      )
      .describe('where values of the arguments stand in what the run was given'),
    policy: z.string(),
    quorum: z.int().describe('how many people must approve'),
    approvers: z.array(z.string()).describe('people or roles who alone may decide, as the rules name them; all of them must fit'),
    approved_by: z.array(z.string()),
    since: time_ms,
    expires_at: time_ms.describe('nobody having decided by then is a refusal'),
    lowers: z
      .object({
        kind: z.enum(['endorse', 'declassify']),
        owner: z.string().describe('who alone decides'),
        of: z.enum(['run', 'value']),
        influenced_by: names,
        private_to: names,
      })
      .exactOptional()
      .describe('the label it would lower, as it is'),
  })
  .meta({ id: 'Approval' });
export const ApprovalList = z.object({
  items: z.array(Approval),
  next: z.string().nullable().describe('cursor of the next page; null on the last'),
  damaged: z
    .array(z.object({ run: runId, detail: z.string() }))
    .exactOptional()
    .describe('where there are any: runs on this page that wait for people and cannot be read, so that nobody can say for what'),
});
export const Judgement = z
  .union([
    z.strictObject({ verdict: z.literal('approve'), reason: Reason.exactOptional() }),
    z.strictObject({ verdict: z.literal('deny'), reason: Reason }),
  ])
  .meta({ id: 'Judgement' });
export const Judged = z.object({
  run: runId,
  call: z.int(),
  verdict: z.enum(['approve', 'deny']),
  by: z.string(),
  missing: z.int().describe('approvals of others that it still waits for'),
});

const QuarantineKind = z.enum(['agent', 'version', 'tenant', 'tool']);
const QuarantineName = z.string().min(1).max(100).describe('of an agent, tool or tenant; the digest of a version');
export const Quarantine = z
  .object({
    kind: QuarantineKind,
    name: z.string(),
    tenant: z.string().nullable().describe('where it stands; null: in every tenant'),
    by: z.string(),
    reason: z.string(),
    at: time_ms,
  })
  .meta({ id: 'Quarantine' });
const where = {
  tenant: z
    .union([tenant, z.literal('*')])
    .exactOptional()
    .describe('for principals of the whole host; `*`: of a version, in every tenant'),
};
export const QuarantineList = z.object({ items: z.array(Quarantine) });
export const QuarantineRequest = z
  .strictObject({ ...where, kind: QuarantineKind, name: QuarantineName, reason: Reason })
  .meta({ id: 'QuarantineRequest' });
export const QuarantinePath = z.strictObject({
  kind: QuarantineKind,
  name: QuarantineName.meta({ description: 'percent-encoded, since names may hold a /' }),
});
export const LiftQuery = z.strictObject({ ...where, reason: Reason });

export const Authority = z
  .object({
    run: runId,
    agent: z.string(),
    tenant,
    principal: z.string(),
    ended: z.boolean().describe('then it reaches nothing any more'),
    quarantined: z.string().nullable().describe('why nothing of it works at present'),
    reaches: z
      .array(
        z.object({
          alias: z.string().nullable().describe('as its agent calls it; null: it was handed this while it ran'),
          kind: z.enum(['tool', 'mailbox']),
          name: z.string(),
          offered: z.boolean().describe('whether the host still offers the tool'),
          works: z.boolean(),
          chain: z.array(
            z.object({
              grant: z.string(),
              holder: z.string(),
              where: z.record(z.string(), json).describe('what must hold of arguments'),
              uses: z.int().nullable(),
              used: z.int(),
              expires_at: time_ms.nullable(),
              rate_per_minute: z.int().nullable(),
              bytes: z.int().nullable().describe('of arguments or messages, in total'),
              rights: z.array(z.string()).nullable().describe('null: all'),
              only_clean: z.boolean().describe('refused once the run has read what a stranger may have written'),
              revoked: z.boolean(),
            }),
          ),
        }),
      )
      .describe('each with the chain of grants behind it, its own first: all of them hold'),
    budget: z.record(z.string(), z.number()).describe('what its purse was filled with, or moved to it from its parent’s'),
    spawns: z.array(z.string()).describe('agents it may start, with no more than it has itself'),
  })
  .meta({ id: 'Authority' });
