/**
 * Schemas of the front door: the server checks with them, and the OpenAPI document and the client's types are generated from
 * them. Times are milliseconds since 1970; names of amounts end in their unit.
 */
import { EventKind } from './event-kinds.ts';
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { ADMISSION, MACHINE } from '../limits.ts';
import { Attenuation } from '../model/grant.ts';
import { AgentManifest, Alias, Budget, CeilingsRequest } from '../model/manifest.ts';
import { Outcome } from '../model/outcome.ts';
import { DecisionView } from './approvals.ts';
import { digest, identity, inTenant, json, Reason, runId, tenant, time_ms } from './parts.ts';
import { SettledBy } from './settling.ts';
import { Role } from './roles.ts';
import { Control, Lifecycle, runConditions, Waiting } from './selector.ts';
import { recordOf } from '../record.ts';
import { textOfBytes } from '../bytes.ts';

export const AliasName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a short name in lower case')
  .meta({ id: 'AliasName', examples: ['prod'] });
/** `audit` (its latest version), `audit@prod` (an alias), `audit@sha256:…` (a version, at least 8 hex digits of it). */
export const AgentRef = z
  .string()
  .max(240)
  .regex(/^[a-z0-9][a-z0-9._/-]*(@([a-z][a-z0-9-]{0,31}|sha256:[0-9a-f]{8,64}))?$/, 'NAME, NAME@ALIAS or NAME@sha256:…')
  .meta({ id: 'AgentRef', examples: ['hello@prod'] });
export const Page = z.strictObject({
  cursor: z.string().max(64).exactOptional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
/** A list, a page at a time. */
const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable().describe('cursor of the next page; null on the last') });

// Agents

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
export const Deployed = z.object({ agents: z.array(AgentVersion), alias: z.string().nullable() }).meta({ id: 'Deployed' });
export const SourceMap = z.object({ bundle: digest, source_map: z.string().nullable() }).meta({ id: 'SourceMap' });
export const MoveAlias = z.strictObject({ ...inTenant, version: digest, reason: Reason.exactOptional() }).meta({ id: 'MoveAlias' });
export const RollBack = z.strictObject({ ...inTenant, reason: Reason }).meta({ id: 'RollBack' });

export const ToolView = z
  .object({
    tool: z.string(),
    description: z.string(),
    input: z.record(z.string(), json).describe('JSON Schema'),
    output: z.record(z.string(), json).describe('JSON Schema'),
    annotations: z.record(z.string(), json),
  })
  .meta({ id: 'Tool' });
export const ToolList = z.object({ items: z.array(ToolView) });

// Runs

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
    left: z.number().nullable().describe('share of its budget that is left; the smallest over all amounts'),
  })
  .meta({ id: 'RunSummary' });
export const Run = RunSummary.extend({
  outcome: Outcome.nullable(),
  input: json.nullable().describe('null if the caller may not read payloads; the same holds for the output in the outcome'),
  ceilings: z.record(z.string(), z.number()),
  budget: z.record(z.string(), z.number()),
  caps: z.array(z.object({ alias: z.string(), cap: z.int(), grant: z.string() })),
  journal_entries: z.int(),
  who: identity.exactOptional().describe('the identity behind its submitter, or behind that of its first ancestor'),
  header: z
    .object({ node: z.string(), v8: z.string(), icu: z.string(), image: z.string(), seed: z.string() })
    .nullable()
    .describe('runtime of its admission, and a digest of its random seed; null if the caller may not read payloads'),
  origin: z.object({ run: runId, at: z.int(), forked_at: time_ms }).nullable().describe('the run that it was forked from, and where'),
}).meta({ id: 'Run' });
export const RunList = listOf(RunSummary);
export const RunQuery = Page.extend({
  ...runConditions,
  parent: runId.exactOptional(),
  live: z.stringbool().exactOptional().describe('only those that have not ended'),
  ended_as: z.string().max(60).exactOptional().describe('beginning of its outcome: `exceeded`, `failed(CORRAL_STALLED)`'),
  q: z.string().max(100).exactOptional().describe('part of an id, agent, principal or outcome'),
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
  .object({ run: runId, outcome: Outcome.nullable().describe('its output is the reply; null until there is one') })
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
    state: z.enum(['open', 'done', 'failed', 'denied', 'unknown', 'abandoned']),
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
  })
  .meta({ id: 'Call' });
export const CallList = z.object({ items: z.array(Call) });
export const Message = z
  .object({
    direction: z.enum(['in', 'out']),
    at: time_ms,
    with: z.string().describe('the other run, or the capability it was sent with'),
    body: json,
    seq: z.int(),
  })
  .meta({ id: 'Message' });
export const MessageList = z.object({ items: z.array(Message) });

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
  })
  .meta({ id: 'JournalEntry' });
export const JournalPage = z.object({
  items: z.array(JournalEntry),
  next: z.int().nullable().describe('`after` of the next page'),
  head: z.object({ seq: z.int(), hash: z.string() }).nullable().describe('the last entry; null before the first'),
});
export const JournalQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  wait_ms: z.coerce.number().int().min(0).max(60_000).exactOptional().describe('longest wait for a first entry, unless the run has ended'),
});
export const Why = z
  .object({
    run: runId,
    verdict: z.string(),
    because: z.array(z.string()),
    next: z.array(z.string()).describe('what can be done'),
    decisions: z.array(DecisionView).describe('the latest decisions of policies, oldest first'),
  })
  .meta({ id: 'Why' });
export const CallPath = RunPath.extend({ call: z.coerce.number().int().min(1) });
// Operations

const OperationName = z.enum(['pause', 'resume', 'cancel', 'kill']);
export const OperationTarget = z
  .union([
    z.strictObject({ run: runId }),
    z.strictObject({ agent: AgentName, ...inTenant }),
    z.strictObject({ version: digest, ...inTenant }),
    z.strictObject({ tenant }),
    z.strictObject({ all: z.literal(true) }),
  ])
  .meta({
    id: 'OperationTarget',
    description: 'Selects runs: one, those of an agent, of a version, of a tenant, or all that you may operate.',
  });
export const OperationRequest = z
  .strictObject({
    operation: OperationName,
    target: OperationTarget,
    reason: Reason,
    dryRun: z.boolean().default(false),
    family: z
      .boolean()
      .default(false)
      .describe(
        'with `pause`: also pauses all descendants of the runs; with `resume`: also resumes the descendants that such a pause had paused. `cancel` and `kill` always reach descendants, and take no `family`',
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
    get children(): z.ZodArray<z.ZodType<ReceiptView>> {
      return z.array(ReceiptView);
    },
  })
  .meta({ id: 'Receipt' });
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
    receipts: z.array(ReceiptView).describe('one for each run operated on; those of children are within their parent’s'),
    refused: z.array(z.object({ run: z.string(), code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'OperationResult' });
export const OperationList = listOf(OperationResult);
export const OperationQuery = Page.extend(inTenant);

// People, schedules, configuration, the host itself

/** The reason of a request without other members. */
export const Reasoned = z.strictObject({ reason: Reason.exactOptional() });

export const Schedule = z
  .object({
    schedule: z.string(),
    tenant,
    agent: z.string(),
    input: json,
    cron: z.string(),
    created_by: z.string(),
    next_at: time_ms.nullable(),
    last_at: time_ms.nullable(),
    last_run: z.string().nullable(),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Schedule' });
export const ScheduleRequest = z
  .strictObject({
    ...inTenant,
    agent: AgentRef,
    input: json.default({}),
    cron: z.string().max(100).describe('five fields, UTC'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'ScheduleRequest' });
export const ScheduleList = z.object({ items: z.array(Schedule) });
export const SchedulePath = z.strictObject({ schedule: z.string().max(40) });

export const ConfigView = z
  .object({
    version: z.string(),
    file: z.string().nullable(),
    applied_at: time_ms,
    applied_by: z.string(),
    config: json,
    refused: z.string().nullable().describe('why its file was refused at the start; the last accepted one is in force'),
  })
  .meta({ id: 'Config' });
export const ConfigCheck = z
  .object({
    version: z.string(),
    same: z.boolean(),
    changes: z.array(z.object({ path: z.string(), now: json, next: json })),
    notes: z.array(z.string()).describe('names in it that do not exist yet, such as an agent that is not deployed'),
  })
  .meta({ id: 'ConfigCheck' });

const put = { at: time_ms, by: z.string(), reason: z.string() };
/** A version, or its first characters. */
export const VersionPath = z.strictObject({ version: z.string().regex(/^sha256:[0-9a-f]{8,64}$/, 'sha256: and at least 8 hex digits') });
export const ConfigList = z.object({ items: z.array(z.object({ version: z.string(), ...put })) });
export const ConfigThen = z.object({ version: z.string(), ...put, config: json }).meta({ id: 'ConfigThen' });
const PolicyMove = z
  .object({
    tenant: z.string(),
    version: z.string().nullable().describe('null: the tenant had none from then on'),
    files: z.array(z.object({ file: z.string(), digest: z.string() })),
    config: z.string().describe('version of the configuration that named them'),
    ...put,
  })
  .meta({ id: 'PolicyMove' });
export const PolicyMoves = z.object({ items: z.array(PolicyMove) });
export const PolicyTexts = z
  .object({
    version: z.string(),
    files: z.array(z.object({ file: z.string(), digest: z.string(), text: z.string() })),
    moves: z.array(PolicyMove).describe('when they were put in force, newest first'),
  })
  .meta({ id: 'PolicyTexts' });

export const Health = z.object({ ok: z.boolean(), version: z.string() }).meta({ id: 'Health' });
export const Ready = z
  .object({
    ready: z.boolean(),
    why: z.string().nullable().describe('why no work is taken'),
    draining: z.boolean(),
    runs: z.int(),
    recovered: z.int(),
    config_refused: z.boolean().describe('its file was refused at the start, so the configuration that was accepted last is in force'),
    reasons: z
      .array(
        z.object({
          reason: z.enum(['draining', 'recovering', 'disk_full', 'no_progress', 'cells_do_not_start']),
          detail: z.string(),
          since: time_ms.exactOptional().describe('of `no_progress` and `cells_do_not_start`'),
          oldest_ms: z.int().exactOptional().describe('with `no_progress`: the longest wait of a run for a crank'),
        }),
      )
      .describe('why no work is taken; empty while it is taken'),
    degraded: z
      .array(
        z.object({
          what: z.enum(['wakeups']),
          code: z.string(),
          detail: z.string().describe('what to do; the log of the host has the whole fault'),
          since: time_ms,
        }),
      )
      .describe('parts that are impaired although work is taken'),
  })
  .meta({ id: 'Ready' });
export type Unready = z.infer<typeof Ready>['reasons'][number];
export type Degraded = z.infer<typeof Ready>['degraded'][number];
export const Event = z
  .object({
    id: z.string(),
    at: time_ms,
    kind: EventKind,
    tenant: z.string().nullable().describe('null: of the host'),
    run: z.string().nullable(),
    agent: z.string().nullable(),
    data: json,
  })
  .meta({ id: 'Event' });
export type Event = z.infer<typeof Event>;
export const EventQuery = z.strictObject({
  ...inTenant,
  run: runId.exactOptional(),
  agent: z.string().max(100).exactOptional(),
  kinds: z.string().max(300).exactOptional().describe('comma-separated'),
});
export const EventHeaders = z.object({ 'last-event-id': z.string().max(64).optional().describe('resume after this event') });
