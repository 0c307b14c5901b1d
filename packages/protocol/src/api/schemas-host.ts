/** Schedules, the configuration, and the state and events of the host itself. */
import * as z from 'zod';
import { EventKind } from './event-kinds.ts';
import { dryRunQuery, Reason, inTenant, json, runId, tenant, time_ms } from './parts.ts';
import { AgentRef } from './schemas-page.ts';

/** The reason of a request without other members. */
export const Reasoned = z.strictObject({ reason: Reason.exactOptional() });
/** The same of one that takes something away. */
export const Removal = Reasoned.extend(dryRunQuery);

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

export const Guard = z
  .object({
    tenant,
    policies: z.enum(['default', 'own', 'none']).describe('`default`: the pack that comes with Corral; `none`: grants alone decide'),
    risk: z.boolean().describe('whether the configuration states thresholds (`risk`) besides'),
    loops: z
      .enum(['default', 'own', 'none'])
      .describe('`default`: what loops, runs away or probes is paused for a person; `none`: its runs are not watched'),
  })
  .meta({ id: 'Guard' });
export type Guard = z.infer<typeof Guard>;
export const ConfigView = z
  .object({
    version: z.string(),
    file: z.string().nullable(),
    applied_at: time_ms,
    applied_by: z.string(),
    config: json,
    refused: z.string().nullable().describe('why its file was refused at the start; the last accepted one is in force'),
    guards: z.array(Guard).describe('what decides about calls and watches runs, by tenant'),
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
    rules: z
      .array(
        z.object({
          rule: z.string(),
          text: z.string(),
          effect: z.enum(['permit', 'forbid']),
          consequence: z.string().nullable().describe('what a denial by it leads to, such as approval; null: the call is refused'),
        }),
      )
      .describe('the statements of the files, by the ids that decisions name'),
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
  changes: z
    .stringbool()
    .exactOptional()
    .describe(
      'also tells `run.changed`, with `run` in its data, at most once a second for each run whose calls, waits or use changed; without `run`: many did. It has no id and is not sent again',
    ),
});
export const EventHeaders = z.object({ 'last-event-id': z.string().max(64).optional().describe('resume after this event') });
