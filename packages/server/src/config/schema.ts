/** What a host's configuration may say. The reference of the configuration is generated from this. */
import * as z from 'zod';
import { Costs } from '@corral/protocol/cost';
import { PERSON, PERSON_HINT, PRINCIPAL_CHARS, TenantId, ToolName } from '@corral/protocol/ids';
import { type Limit, MACHINE } from '@corral/protocol/limits';
import { Budget, CeilingsRequest } from '@corral/protocol/manifest';
import type { Tool } from '@corral/protocol/tool';
import { AccountBounds } from '@corral/protocol/spend';
import { EventKind } from '@corral/protocol/api/event-kinds';
import { Loops } from './loops.ts';

/** A bound that a host may set, within what nobody may exceed. */
const bound = ({ min, max, about, default: fallback }: Limit) =>
  z.int().min(min).max(max).describe(`${about}; ${fallback} where nothing is said`);

export const SecretName = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'a short name in lower case');
export const SecretRef = z.union([
  z.strictObject({ env: z.string().min(1).max(200).describe('name of an environment variable') }),
  z.strictObject({ file: z.string().min(1).max(4096).describe('path of a file; white space at its end is left out') }),
]);
export type SecretRef = z.infer<typeof SecretRef>;

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const Duration = z.string().regex(/^[1-9]\d{0,5}[smhd]$/, 'a time such as 12h or 30d (s, m, h or d)');
/** A time of the configuration, in milliseconds. */
export const durationMs = (text: string): number => Number(text.slice(0, -1)) * (UNITS_MS[text.slice(-1)] ?? 0);

/** What a configuration's `tools` function is handed. */
export interface ToolPowers {
  /**
   * Reads a secret, at this moment. For use inside of a tool's `run`.
   * @throws CORRAL_SECRET_MISSING
   */
  readonly secret: (name: string) => Promise<string>;
}
export type ToolsOption = readonly Tool[] | ((powers: ToolPowers) => readonly Tool[] | Promise<readonly Tool[]>);

/** A name of another form is nobody's, and a rule about it would never hold. */
const Person = z.string().max(PRINCIPAL_CHARS).regex(PERSON, PERSON_HINT);
const PolicyFiles = z.array(z.string().min(1).max(4096)).max(200);
/** Policies: a word, a list of files, or files with the roles that they ask for. */
export const Policies = z.union([
  z.literal('default').describe('the pack that comes with Corral'),
  z.literal('none').describe('grants alone decide'),
  PolicyFiles.min(1).describe('Cedar files, relative to the configuration file; `default` among them is the pack'),
  z.strictObject({
    files: PolicyFiles.default(['default']).describe('as in the list'),
    roles: z
      .record(Person, z.array(z.string().min(1).max(100)).max(100))
      .default({})
      .describe('roles that policies ask for, by principal: `{ "token:ana": ["buyer"] }`'),
    owners: z
      .record(z.string().min(1).max(200), Person)
      .default({})
      .describe('who answers for an agent and those below it: `{ "purchasing": "token:ana" }`; `@approver("owner")` asks for them'),
    shadow: PolicyFiles.min(1)
      .exactOptional()
      .describe('a candidate, as in `files`: asked about living calls as well, and decides nothing'),
  }),
]);
export type Policies = z.infer<typeof Policies>;

/** What a configuration may say of a tool that the tool does not say itself, or says differently. */
export const ToolNotes = z.strictObject({
  destinations: z.array(z.string().min(1).max(200)).max(32).exactOptional().describe('arguments that say where data or money goes'),
  money: z.string().min(1).max(200).exactOptional().describe('the argument that says how much money it moves'),
  costs: Costs.exactOptional().describe('what one attempt costs at most: a number, or the argument that says it'),
  private_to: z.string().min(1).max(200).exactOptional().describe('its results may hold private data, and whose'),
  returns: z.enum(['trusted', 'untrusted']).exactOptional().describe('whether a stranger may have written what it returns'),
});

/** What a tenant, each of its agents and each of its people may spend. */
const Spend = z.strictObject({
  ...AccountBounds.shape,
  agents: z.record(z.string().min(1).max(200), AccountBounds).exactOptional().describe('by name; `*`: each that is not named'),
  people: z
    .record(z.union([z.literal('*'), Person]), AccountBounds)
    .exactOptional()
    .describe('by who submits, such as `token:ana`; `*`: each that is not named'),
});

/** How often tools may be called, by name. */
const ToolLimits = z.record(
  ToolName,
  z.strictObject({
    concurrent: z.int().min(1).max(1_000_000).exactOptional().describe('calls under way at once; others wait their turn'),
    per_minute: z.int().min(1).max(1_000_000).exactOptional().describe('calls that begin within any minute; others wait their turn'),
  }),
);

const https = z.url({ protocol: /^https?$/ });

export const Config = z.strictObject({
  tenants: z
    .record(
      TenantId,
      z.strictObject({
        tools: z
          .array(z.union([ToolName, z.literal('*')]))
          .default(['*'])
          .describe('names of the tools its agents may be granted; `*`: all'),
        queue: z.int().min(1).max(1_000_000).default(10_000).describe('runs that have not ended; one more is refused with 429'),
        residents: bound(MACHINE.residents).exactOptional(),
        cells: bound(MACHINE.cells_per_tenant).exactOptional(),
        ceilings: CeilingsRequest.default({}).describe('no run of this tenant may ask for more'),
        budget: Budget.default({}).describe('the most that the purse of a run of this tenant may hold; its children live on that'),
        spend: Spend.exactOptional().describe('what all of its runs together may spend, by day and month of UTC, on this host'),
        tool_limits: ToolLimits.exactOptional().describe('how often its agents may call tools, by name, besides the limits of the host'),
        policies: Policies.exactOptional().describe('instead of those of the host'),
        retention: z
          .strictObject({ journals: Duration.exactOptional().describe('instead of that of the host') })
          .exactOptional()
          .describe('how long what its runs leave behind is kept'),
        loops: Loops.exactOptional().describe('what is done about loops, runaways and drift; `false`: its runs are not watched'),
      }),
    )
    .default({ ['local' as TenantId]: { tools: ['*'], queue: 10_000, ceilings: {}, budget: {} } })
    .describe('who shares this host'),
  limits: z
    .strictObject({
      runs_in_memory: bound(MACHINE.runs_in_memory).exactOptional(),
      park_after_ms: bound(MACHINE.park_after_ms).exactOptional(),
      cell_memory_mib: bound(MACHINE.cell_memory_mib).exactOptional(),
      approval_ms: bound(MACHINE.approval_ms).exactOptional(),
      no_progress_ms: bound(MACHINE.no_progress_ms).exactOptional(),
    })
    .default({})
    .describe('bounds of the host’s machinery; they hold from its next start'),
  files: z
    .strictObject({
      read: z.string().exactOptional().describe('offer fs.read and fs.list below this folder'),
      write: z.string().exactOptional().describe('offer fs.write below this folder'),
    })
    .default({})
    .describe('the tools for files; relative paths are taken from the configuration file’s folder'),
  tools: z
    .custom<ToolsOption>(
      (value) => Array.isArray(value) || typeof value === 'function',
      'must be a list of tools or a function that gives one',
    )
    .default([])
    .describe('tools of your own; in a .ts file only'),
  annotations: z
    .record(ToolName, ToolNotes)
    .default({})
    .describe('what policies need to know of tools, by name; over what a tool says itself'),
  tool_limits: ToolLimits.default({}).describe('how often all tenants together may call tools, by name'),
  label_owner: z
    .string()
    .min(1)
    .max(PRINCIPAL_CHARS)
    .exactOptional()
    .describe('offer label.endorse and label.declassify; this principal alone decides about each use, such as `token:ana`'),
  policies: Policies.default('none').describe('what decides about calls, besides grants'),
  secrets: z.record(SecretName, SecretRef).default({}).describe('by reference; the value is read at the moment a tool asks for it'),
  ceilings: CeilingsRequest.default({}).describe('no run of this host may ask for more'),
  budget: Budget.default({}).describe('the most that the purse of a run may hold: `{ money_micros: 50_000_000 }` is 50.00'),
  people: z
    .strictObject({
      issuers: z
        .array(
          z.strictObject({
            issuer: https.describe('as it stands in `iss`'),
            tenants: z
              .array(TenantId)
              .min(1)
              .exactOptional()
              .describe('the tenants that its tokens may name; all, where it is the only issuer. `host_wide` is apart from this'),
            audience: z.string().min(1).describe('must stand in `aud`'),
            jwks_uri: https.exactOptional().describe('where its keys are; else found by OpenID discovery'),
            tenant_claim: z.string().default('corral_tenant').describe('claim that names the tenant'),
            roles_claim: z.string().default('corral_roles').describe('claim that lists roles'),
            host_wide: z.boolean().default(false).describe('whether `*` is believed as a tenant'),
            revoked: z.array(z.string().min(1).max(255)).max(10_000).default([]).describe('subjects whose tokens are refused'),
            issued_after: z.iso
              .datetime()
              .exactOptional()
              .describe('tokens that were issued before, or do not say when, are refused: for after a key was stolen'),
          }),
        )
        .max(16)
        .default([]),
    })
    .default({ issuers: [] })
    .describe('OpenID issuers whose JSON web tokens are accepted'),
  webhooks: z
    .array(
      z.strictObject({
        id: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,63}$/, 'a short name in lower case')
          .exactOptional()
          .describe('what this receiver is called in lists; it keeps its queue when its address or secret changes'),
        url: https,
        secret: SecretName.describe('name of the secret that signs (HMAC-SHA256, Standard Webhooks)'),
        tenant: TenantId.exactOptional().describe('only events of this tenant'),
        events: z
          .array(EventKind)
          .min(1)
          .default([
            'run.ended',
            'run.paused',
            'run.budget_low',
            'spend.warned',
            'run.asked',
            'quarantine.put',
            'policy.alarm',
            'host.disk_full',
            'host.disk_free',
            'host.stalled',
            'host.moves',
          ]),
      }),
    )
    .max(32)
    .default([])
    .describe('who is told of what, at least once'),
  retention: z
    .strictObject({
      journals: Duration.exactOptional().describe(
        'how long the journals of ended runs are kept; then their contents are taken away, and their hashes stay. Left out: for good',
      ),
      operations_days: z.int().min(1).max(36_500).default(365).describe('records of what operators did'),
      spend_months: z.int().min(1).max(1_200).default(13).describe('what was spent by day, before the month that goes on'),
      notifications_days: z.int().min(1).max(365).default(3).describe('how long a webhook that does not answer is tried'),
    })
    .default({ operations_days: 365, spend_months: 13, notifications_days: 3 }),
  backups: z
    .string()
    .min(1)
    .max(4096)
    .exactOptional()
    .describe('folder below which backups are made that are given a name and no path, such as those asked for over the network'),
  door: z
    .strictObject({
      hosts: z.array(z.string().max(253)).default([]).describe('names by which this host is called besides localhost'),
      body_bytes: z
        .int()
        .min(1024)
        .max(64 * 1024 * 1024)
        .default(2 * 1024 * 1024)
        .describe('size of a request; deploys have their own limit'),
      rate_per_s: z.number().min(0.1).max(1_000_000).default(500).describe('requests a principal may make, sustained'),
      burst: z.int().min(1).max(1_000_000).default(1000).describe('requests a principal may make at once'),
    })
    .default({ hosts: [], body_bytes: 2 * 1024 * 1024, rate_per_s: 500, burst: 1000 }),
});
export type Config = z.output<typeof Config>;
export type ConfigInput = z.input<typeof Config>;
