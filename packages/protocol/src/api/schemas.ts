/**
 * What crosses the front door, once: the server checks by these, the OpenAPI document is generated from them, and the
 * client takes its types from them. Times are milliseconds since 1970, amounts carry their unit in the name.
 */
import { EventKind } from './event-kinds.ts';
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { ADMISSION, MACHINE } from '../limits.ts';
import { Attenuation } from '../grant.ts';
import { AgentManifest, Alias, Budget, CeilingsRequest } from '../manifest.ts';
import { Outcome } from '../outcome.ts';
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
      .describe('versions of which no run is taken for now, since too many failed'),
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
    describing: z.string().max(ADMISSION.bundle_bytes.max).exactOptional().describe('the same bundle with what writes its schemas'),
    source_map: z.string().max(ADMISSION.bundle_bytes.max).exactOptional().describe('kept for who reads stacks; never read here'),
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
      .describe('narrows what the agent uses, by its alias: uses, arguments, time; it can only take away'),
  })
  .meta({ id: 'SubmitRequest' });
export const IdempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('the same key and body again give the same run, for ever; another body is refused'),
});

export const RunSummary = z
  .object({
    run: runId,
    tenant,
    agent: z.string(),
    key: z.string().nullable().describe('of a service’s instance; null for other runs, and once it has ended'),
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
    ended_as: z.string().nullable().describe('`completed`, `exceeded(cpu)`, …; null while it has not ended'),
    created_at: time_ms,
    ended_at: time_ms.nullable(),
    age_ms: z.number(),
    cpu_ms: z.number(),
    heap_kib: z.number(),
    calls: z.int(),
    tokens: z.number().describe('of models, in and out, as far as tools said so'),
    money_micros: z
      .number()
      .describe('charged or moved, in millionths of the tenant’s currency; nothing of its children is in it until they end'),
    open_calls: z.int(),
    left: z.number().nullable().describe('share of its budget that is left, of what runs out first'),
  })
  .meta({ id: 'RunSummary' });
export const Run = RunSummary.extend({
  outcome: Outcome.nullable(),
  input: json.nullable().describe('null for who may not read payloads, as is the output in the outcome'),
  ceilings: z.record(z.string(), z.number()),
  budget: z.record(z.string(), z.number()),
  caps: z.array(z.object({ alias: z.string(), cap: z.int(), grant: z.string() })),
  journal_entries: z.int(),
  who: identity.exactOptional().describe('who stands behind whoever submitted it or the first of its ancestors'),
  header: z
    .object({ node: z.string(), v8: z.string(), icu: z.string(), image: z.string(), seed: z.string() })
    .nullable()
    .describe('what it was admitted on, and a digest of what its randomness comes from; null for who may not read payloads'),
  origin: z.object({ run: runId, at: z.int(), forked_at: time_ms }).nullable().describe('the run that it was forked from, and where'),
}).meta({ id: 'Run' });
export const RunList = listOf(RunSummary);
export const RunQuery = Page.extend({
  ...runConditions,
  parent: runId.exactOptional(),
  live: z.stringbool().exactOptional().describe('only those that have not ended'),
  ended_as: z.string().max(60).exactOptional().describe('beginning of how it ended: `exceeded`, `failed(CORRAL_STALLED)`'),
  q: z.string().max(100).exactOptional().describe('part of an id, agent, principal or outcome'),
});
export const RunPath = z.strictObject({ run: runId });
export const ShowQuery = z.strictObject({
  wait_ms: z.coerce.number().int().min(0).max(60_000).exactOptional().describe('answer when the run has ended, or after so long'),
});

export const ServicePath = z.strictObject({
  service: AgentName.meta({ description: 'percent-encoded, since names may hold a /' }),
  key: textOfBytes(MACHINE.service_key_bytes.default).describe('which instance, percent-encoded'),
  handler: Alias,
});
export const SendQuery = InTenant.extend(ShowQuery.shape);
/** The message is the body, whatever it is. */
export const AnyJson = json;
export const Sent = z
  .object({ run: runId, outcome: Outcome.nullable().describe('its output is the reply; null while there is none') })
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
    reason: z.string().nullable().describe('why, in the agent’s own words'),
    input: json,
    result: json,
    error: z
      .object({
        code: z.string(),
        message: z.string().describe('what the agent was told'),
        detail: z.string().nullable().describe('what a tool threw, with its stack; the agent is not given it'),
      })
      .nullable(),
    grant: z.string().nullable(),
    settled: z.array(SettledBy).describe('what people said came of it, where nobody knew'),
    cost: z
      .object({ tokens: z.number(), money_micros: z.number() })
      .describe('what was billed for it; until it is answered, what was reserved'),
  })
  .meta({ id: 'Call' });
export const CallList = z.object({ items: z.array(Call) });
export const Message = z
  .object({
    direction: z.enum(['in', 'out']),
    at: time_ms,
    with: z.string().describe('the other run, or the capability it was sent by'),
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
    hash: z.string().describe('SHA-256 in hex over this entry as it is sealed and the hash of the one before'),
  })
  .meta({ id: 'JournalEntry' });
export const JournalPage = z.object({
  items: z.array(JournalEntry),
  next: z.int().nullable().describe('`after` of the next page'),
  head: z.object({ seq: z.int(), hash: z.string() }).nullable().describe('the last entry that there is; null before the first'),
});
export const JournalQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  wait_ms: z.coerce.number().int().min(0).max(60_000).exactOptional().describe('wait so long for a first entry, unless the run has ended'),
});
export const Why = z
  .object({
    run: runId,
    verdict: z.string(),
    because: z.array(z.string()),
    next: z.array(z.string()).describe('what can be done'),
    decisions: z.array(DecisionView).describe('the latest that policies took part in, oldest first'),
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
    description: 'Which runs: one, those of an agent, of a version, of a tenant, or all that you may touch.',
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
        'of `pause`: all that descends from the runs is paused as well; of `resume`: those below that such a pause of theirs had paused go on too. `cancel` and `kill` reach descendants by themselves, and take no `family`',
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
    roles: z.array(Role).describe('those that the principal had then'),
    operation: z.string(),
    target: json,
    reason: z.string(),
    dryRun: z.boolean(),
    family: z.literal(true).exactOptional().describe('a pause or a resumption that was to reach all that descends from the runs'),
    config: z.string(),
    matched: z.array(z.string()).describe('runs it was meant for'),
    receipts: z.array(ReceiptView).describe('one a run it was done to; children are within their parent’s'),
    refused: z.array(z.object({ run: z.string(), code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'OperationResult' });
export const OperationList = listOf(OperationResult);
export const OperationQuery = Page.extend(inTenant);

// People, schedules, configuration, the host itself

/** Why, of a request that says nothing else. */
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
    refused: z.string().nullable().describe('why its file was refused at the start; what is in force is what was accepted last'),
  })
  .meta({ id: 'Config' });
export const ConfigCheck = z
  .object({
    version: z.string(),
    same: z.boolean(),
    changes: z.array(z.object({ path: z.string(), now: json, next: json })),
    notes: z.array(z.string()).describe('what it names and is not there yet, such as an agent that nobody has deployed'),
  })
  .meta({ id: 'ConfigCheck' });

const put = { at: time_ms, by: z.string(), reason: z.string() };
/** A version, or its beginning. */
export const VersionPath = z.strictObject({ version: z.string().regex(/^sha256:[0-9a-f]{8,64}$/, 'sha256: and at least 8 hex digits') });
export const ConfigList = z.object({ items: z.array(z.object({ version: z.string(), ...put })) });
export const ConfigThen = z.object({ version: z.string(), ...put, config: json }).meta({ id: 'ConfigThen' });
const PolicyMove = z
  .object({
    tenant: z.string(),
    version: z.string().nullable().describe('null: from then on the tenant had none'),
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
    config_refused: z.boolean().describe('its file was refused at the start, so that it goes on with the last configuration it accepted'),
    reasons: z
      .array(
        z.object({
          reason: z.enum(['draining', 'recovering', 'disk_full', 'no_progress', 'cells_do_not_start']),
          detail: z.string(),
          since: time_ms.exactOptional().describe('of `no_progress` and `cells_do_not_start`'),
          oldest_ms: z.int().exactOptional().describe('of `no_progress`: how long the run that has waited longest for a crank has waited'),
        }),
      )
      .describe('all that speaks against taking work; empty while it is taken'),
    degraded: z
      .array(
        z.object({
          what: z.enum(['wakeups']),
          code: z.string(),
          detail: z.string().describe('what is wrong, and what to do'),
          since: time_ms,
        }),
      )
      .describe('what works less well than it should, though work is taken'),
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
export const EventHeaders = z.object({ 'last-event-id': z.string().max(64).optional().describe('go on after this event') });
