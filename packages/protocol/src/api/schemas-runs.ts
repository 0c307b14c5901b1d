/** Runs: submitting, listing, showing, their calls, messages and journal; services. */
import * as z from 'zod';
import { textOfBytes } from '../bytes.ts';
import { AgentName } from '../ids.ts';
import { ADMISSION, MACHINE } from '../limits.ts';
import { RUN_ORDERS } from '../model/run-lists.ts';
import { Attenuation } from '../model/grant.ts';
import { Alias, Budget, CeilingsRequest } from '../model/manifest.ts';
import { Outcome } from '../model/outcome.ts';
import { recordOf } from '../record.ts';
import { DecisionView } from './approvals.ts';
import { digest, identity, inTenant, json, runId, tenant, time_ms } from './parts.ts';
import { InTenant } from './schemas-agents.ts';
import { AgentRef, Page, listOf } from './schemas-page.ts';
import { Control, Lifecycle, Waiting, oneOrMore, runConditions } from './selector.ts';
import { SettledBy } from './settling.ts';
import { withheld } from './withheld.ts';

export const SubmitRequest = z
  .strictObject({
    ...inTenant,
    agent: AgentRef,
    input: json.default({}),
    ceilings: CeilingsRequest.exactOptional(),
    budget: Budget.exactOptional(),
    grants: recordOf(Alias, Attenuation)
      .refine((grants) => Object.keys(grants).length <= ADMISSION.uses_per_agent.max, { error: 'names too many' })
      .exactOptional()
      .describe('narrows a capability that the agent uses, by its alias: uses, arguments, time; it can only remove authority'),
  })
  .meta({ id: 'SubmitRequest' });
export const IdempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('the same key and body give the same run, for ever; the same key with another body is refused'),
});

export const SubmitHeaders = IdempotencyHeader.extend({
  // Without a bound of its own: one that is too long cannot be read, and what is read of it is cut.
  traceparent: z
    .string()
    .optional()
    .describe('of W3C Trace Context: the span of the run links to it, where the host sends telemetry; one that cannot be read is ignored'),
});

export const RunSummary = z
  .object({
    run: runId,
    tenant,
    agent: z.string(),
    key: z.string().nullable().describe('key of a service instance; null for other runs, and after the instance has ended'),
    version: digest,
    parent: runId.nullable(),
    principal: z.string(),
    config: z.string().describe('version of the configuration at admission'),
    lifecycle: Lifecycle,
    control: Control,
    residency: z.enum(['resident', 'parked']),
    waiting: Waiting,
    waiting_for: z.string(),
    on_cpu: z.boolean(),
    ended_as: z.string().nullable().describe('`completed`, `exceeded(cpu)`, …; null until it has ended'),
    created_at: time_ms,
    ended_at: time_ms.nullable(),
    age_ms: z.number(),
    cpu_ms: z.number(),
    heap_kib: z.number(),
    calls: z.int(),
    tokens: z.number().describe('tokens of models, in and out, as tools reported them'),
    money_micros: z
      .number()
      .describe('charged or moved, in millionths of the tenant’s currency; children are included once they have ended'),
    open_calls: z.int(),
    stopped_by: z
      .string()
      .nullable()
      .describe(
        'who paused it or put it under quarantine: a principal, `loops` for the detectors of loops, `policy`, `budget`, `quarantine`; null: it goes on, or has ended, or that is not known',
      ),
    refused: z.int().describe('effects of it that grants, budgets, policies or people refused'),
    withheld: z
      .int()
      .describe(
        'calls of it that were carried out and whose answer its agent was not given: its capability was taken back, or it was ended',
      ),
    left: z.number().nullable().describe('share of its budget that is left; the smallest over all amounts'),
  })
  .meta({ id: 'RunSummary' });
export const Run = RunSummary.extend({
  outcome: Outcome.nullable(),
  input: json.nullable().describe('null if the caller may not read payloads; the same holds for the output in the outcome'),
  ceilings: z.record(z.string(), z.number()),
  budget: z.record(z.string(), z.number()),
  caps: z.array(z.object({ alias: z.string(), cap: z.int(), grant: z.string(), revoked: z.boolean() })),
  journal_entries: z.int(),
  state: json.exactOptional().describe('of an instance of a service: what its last turn left; absent if the caller may not read payloads'),
  who: identity.exactOptional().describe('the identity behind its submitter, or behind that of its first ancestor'),
  header: z
    .object({ node: z.string(), v8: z.string(), icu: z.string(), image: z.string(), seed: z.string() })
    .nullable()
    .describe('runtime of its admission, and a digest of its random seed; null if the caller may not read payloads'),
  program: z
    .object({ digest: z.string(), bytes: z.int(), source: z.string().nullable().describe('null if the caller may not read payloads') })
    .exactOptional()
    .describe('what it runs, if its parent made that at run time; absent for an agent of a bundle'),
  origin: z.object({ run: runId, at: z.int(), forked_at: time_ms }).nullable().describe('the run that it was forked from, and where'),
  withheld_payload: withheld.describe('why the input, the outcome or the program is left out; absent: it is all there'),
}).meta({ id: 'Run' });
export const RunList = listOf(RunSummary).extend({
  total: z.int().exactOptional().describe('how many runs match, on all pages; only where `total` was asked for'),
});
export const RunQuery = Page.extend({
  ...runConditions,
  live: z.stringbool().exactOptional().describe('only those that have not ended'),
  ended_as: oneOrMore(z.string().max(60))
    .exactOptional()
    .describe('beginning of its outcome: `exceeded`, `failed(CORRAL_STALLED)`; or several'),
  sort: z
    .enum(RUN_ORDERS)
    .exactOptional()
    .describe(
      'all that match are sorted, not only a page. Amounts of runs in memory are those of a few seconds ago, so while pages are read such a run may move from one to another. Left out: created',
    ),
  order: z.enum(['asc', 'desc']).exactOptional().describe('left out: desc'),
  total: z.stringbool().exactOptional().describe('also counts all that match'),
});
export const RunPath = z.strictObject({ run: runId });
export const ShowQuery = z.strictObject({
  wait_ms: z.coerce.number().int().min(0).max(60_000).exactOptional().describe('wait for its end, this long at most'),
});

export const ServicePath = z.strictObject({
  service: AgentName.meta({ description: 'percent-encoded, since names may contain a /' }),
  key: textOfBytes(MACHINE.service_key_bytes.default).describe('which instance, percent-encoded'),
  handler: Alias,
});
export const SendQuery = InTenant.extend(ShowQuery.shape);
/** The body of the request is the message. */
export const AnyJson = json;
export const Sent = z
  .object({ run: runId, outcome: Outcome.nullable().describe('its output is the reply; null until there is one'), withheld })
  .meta({ id: 'Sent' });

export interface RunTree {
  run: string;
  agent: string;
  lifecycle: string;
  control: string;
  ended_as: string | null;
  children: RunTree[];
}
export const RunTree: z.ZodType<RunTree> = z
  .object({
    run: z.string(),
    agent: z.string(),
    lifecycle: z.string(),
    control: z.string(),
    ended_as: z.string().nullable(),
    get children(): z.ZodArray<z.ZodType<RunTree>> {
      return z.array(RunTree);
    },
  })
  .meta({ id: 'RunTree' });

export const Call = z
  .object({
    call: z.int(),
    tool: z.string(),
    state: z
      .enum(['open', 'done', 'answered', 'failed', 'denied', 'unknown', 'abandoned'])
      .describe('`answered`: its tool has answered, and its agent has not been given that: not yet, or, if `error` is set, never'),
    acted: z
      .enum(['yes', 'no', 'unknown'])
      .nullable()
      .describe(
        'whether its tool has acted, whatever its agent was told: `yes` once it has answered, `no` if it was not called or itself reported a failure, `unknown` if it may have acted; null while it may still answer',
      ),
    asked_at: time_ms,
    answered_at: time_ms.nullable(),
    reason: z.string().nullable().describe('the reason that the agent gave'),
    input: json,
    result: json,
    error: z
      .object({
        code: z.string(),
        message: z.string().describe('the error that the agent received'),
        detail: z.string().nullable().describe('what a tool threw, with its stack; it is withheld from the agent'),
      })
      .nullable(),
    grant: z.string().nullable(),
    settled: z.array(SettledBy).describe('how people settled it while its result was unknown'),
    cost: z
      .object({ tokens: z.number(), money_micros: z.number() })
      .describe('amounts billed for it; until it is answered, amounts reserved'),
    withheld,
  })
  .meta({ id: 'Call' });
export const CallList = listOf(Call);
export const Message = z
  .object({
    direction: z.enum(['in', 'out']),
    at: time_ms,
    with: z.string().describe('the other run, or the capability it was sent with'),
    body: json,
    seq: z.int(),
    withheld,
  })
  .meta({ id: 'Message' });
export const MessageList = listOf(Message);

export const JournalEntry = z
  .object({
    seq: z.int(),
    at: time_ms,
    cpu_us: z.number(),
    delivery: json.nullable(),
    effects: z.array(json).nullable(),
    decisions: z.array(json),
    event: json.nullable(),
    hash: z.string().describe('SHA-256 in hex over this entry as sealed and the hash of the one before'),
    private_to: z.array(z.string()).describe('whose private data it may hold'),
    withheld,
  })
  .meta({ id: 'JournalEntry' });
export const JournalPage = z.object({
  items: z.array(JournalEntry),
  next: z.int().nullable().describe('`after` of the next page; null if there is none yet'),
  previous: z.int().nullable().describe('`before` of the page before; null if there is none'),
  head: z.object({ seq: z.int(), hash: z.string() }).nullable().describe('the last entry; null before the first'),
});
export const JournalQuery = z.strictObject({
  after: z.coerce.number().int().min(0).exactOptional().describe('entries after this one; left out with all three: from the first on'),
  before: z.coerce
    .number()
    .int()
    .min(1)
    .exactOptional()
    .describe('the last entries before this one, in their order; one far beyond the end gives the end'),
  around: z.coerce.number().int().min(1).exactOptional().describe('entries before and after this one, about as many of each'),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  wait_ms: z.coerce.number().int().min(0).max(60_000).exactOptional().describe('longest wait for a first entry, unless the run has ended'),
});
export const STORY_PARTS = [
  'asked',
  'pruned',
  'read',
  'strangers',
  'did',
  'others',
  'refused',
  'people',
  'stopped',
  'spent',
  'ended',
] as const;
export const Why = z
  .object({
    run: runId,
    verdict: z.string(),
    because: z.array(z.string()),
    next: z.array(z.string()).describe('what can be done'),
    decisions: z.array(DecisionView).describe('the latest decisions of policies, oldest first'),
    halt: z
      .int()
      .exactOptional()
      .describe('of a run that is paused or quarantined: the entry of its journal by which it was; a resumption may name it'),
    withheld,
  })
  .meta({ id: 'Why' });
export const Story = z
  .object({
    run: runId,
    lines: z
      .array(
        z.object({
          about: z.enum(STORY_PARTS),
          text: z.string().describe('a sentence, or a few; names, inputs and reasons in it may be hostile text'),
          entries: z.array(z.int()).describe('entries of the journal that it is made from: the first 20'),
          calls: z.array(z.int()).describe('calls that it is made from: the first 20'),
        }),
      )
      .describe(
        'what it was asked, read, did, was refused and spent, who allowed it, and how it ended; all parts, in this order. `pruned` only where something was; of a journal that was pruned as a whole, only `asked`, `pruned`, `spent` and `ended`',
      ),
    pruned: z
      .object({
        code: z.literal('CORRAL_JOURNAL_PRUNED'),
        entries: z.int().describe('entries whose contents were deleted, from the first on; their hashes stay'),
        at: time_ms.nullable().describe('when; null: at some time since the checkpoint from which the run goes on'),
        by: z
          .string()
          .nullable()
          .describe('who had it done; `host`: the host, since its retention had passed; null: that is not known any more'),
        retention_ms: z
          .number()
          .nullable()
          .describe('how long the tenant’s journals were kept after the end of a run; null: that is not known any more'),
        next: z.array(z.string()).describe('what can be done'),
      })
      .exactOptional(),
    withheld,
  })
  .meta({ id: 'Story' });
export const CallPath = RunPath.extend({ call: z.coerce.number().int().min(1) });
