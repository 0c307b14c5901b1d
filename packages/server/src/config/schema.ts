/** Everything that a host's configuration may contain. The configuration's reference is generated from this schema. */
import * as z from 'zod';
import { Costs } from '@corral/protocol/model/cost';
import { PERSON, PERSON_HINT, PRINCIPAL_CHARS, TenantId, ToolName } from '@corral/protocol/ids';
import { type Limit, MACHINE } from '@corral/protocol/limits';
import { Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Tool } from '@corral/protocol/ports/tool';
import { redisAddress } from '@corral/protocol/redis-address';
import { AccountBounds } from '@corral/protocol/model/spend-bounds';
import type { Secrets } from '@corral/tools/define';
import { Http } from './http-schema.ts';
import { Inspectors } from './inspectors-schema.ts';
import { Loops } from './loops.ts';
import { McpServers } from './mcp-schema.ts';
import { Memories, TenantMemory } from './memory-schema.ts';
import { Models } from './models-schema.ts';
import { OpenApi } from './openapi-schema.ts';
import { Address, Returns, SecretName } from './parts.ts';
import { ApprovalSettings } from './approvals.ts';
import { Risk } from './risk.ts';
import { SecretConfig } from './secrets-schema.ts';
import { Telemetry } from './telemetry-schema.ts';
import { Webhooks } from './webhooks-schema.ts';

/** A limit that a host may set, between the hard minimum and maximum. */
const bound = ({ min, max, about, default: fallback }: Limit) => z.int().min(min).max(max).describe(`${about}; default ${fallback}`);

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const Duration = z.string().regex(/^[1-9]\d{0,5}[smhd]$/, 'a time such as 12h or 30d (s, m, h or d)');
/** Reads a duration of the configuration. Milliseconds. */
export const durationMs = (text: string): number => Number(text.slice(0, -1)) * (UNITS_MS[text.slice(-1)] ?? 0);

/** The argument of a configuration's `tools` function. */
export type ToolPowers = Secrets;
export type ToolsOption = readonly Tool[] | ((powers: ToolPowers) => readonly Tool[] | Promise<readonly Tool[]>);

/** A name of another form belongs to nobody, so a rule about it would never apply. */
const Person = z.string().max(PRINCIPAL_CHARS).regex(PERSON, PERSON_HINT);
const PolicyFiles = z.array(z.string().min(1).max(4096)).max(200);
/** Policies: a word, a list of files, or files with the roles that they refer to. */
export const Policies = z.union([
  z.literal('default').describe('the pack that comes with Corral'),
  z.literal('none').describe('grants alone decide'),
  PolicyFiles.min(1).describe('Cedar files, relative to the configuration file; `default` among them is the pack'),
  z.strictObject({
    files: PolicyFiles.default(['default']).describe('as in the list'),
    roles: z
      .record(Person, z.array(z.string().min(1).max(100)).max(100))
      .default({})
      .describe('roles that policies refer to, by principal: `{ "token:ana": ["buyer"] }`'),
    owners: z
      .record(z.string().min(1).max(200), Person)
      .default({})
      .describe('the owner of an agent and of those below it: `{ "purchasing": "token:ana" }`; `@approver("owner")` asks the owner'),
    shadow: PolicyFiles.min(1)
      .exactOptional()
      .describe('a candidate, as in `files`: evaluated for live calls as well, without effect on them'),
  }),
]);
export type Policies = z.infer<typeof Policies>;

/** Annotations that a configuration gives a tool, in addition to or instead of the tool's own. */
export const ToolNotes = z.strictObject({
  destinations: z.array(z.string().min(1).max(200)).max(32).exactOptional().describe('arguments that say where data or money goes'),
  money: z.string().min(1).max(200).exactOptional().describe('the argument that says how much money it moves'),
  costs: Costs.exactOptional().describe('what one attempt costs at most: a number, or the argument that says it'),
  private_to: z.string().min(1).max(200).exactOptional().describe('its results may hold private data, and whose'),
  returns: Returns.exactOptional(),
  trace: z
    .boolean()
    .exactOptional()
    .describe(
      'its calls are told the trace that they belong to, as `traceparent`; whoever it hands that on to sees which requests belong together',
    ),
  polled: z.boolean().exactOptional().describe('it may be asked again and again until its answer changes; that does not count as a loop'),
});

/** Limits on what a tenant, each of its agents and each of its people may spend. */
const Spend = z.strictObject({
  ...AccountBounds.shape,
  agents: z.record(z.string().min(1).max(200), AccountBounds).exactOptional().describe('by name; `*`: each agent that is not named'),
  people: z
    .record(z.union([z.literal('*'), Person]), AccountBounds)
    .exactOptional()
    .describe('by submitter, such as `token:ana`; `*`: each person that is not named'),
});

/** Whether an address has nothing but scheme, name and port. */
function isOrigin(url: string): boolean {
  const { origin, href } = URL.parse(url) ?? { origin: '', href: '' };
  return href === `${origin}/`;
}

/** How often tools may be called, by name. */
const ToolLimits = z.record(
  ToolName,
  z.strictObject({
    concurrent: z.int().min(1).max(1_000_000).exactOptional().describe('calls under way at once; others wait their turn'),
    per_minute: z.int().min(1).max(1_000_000).exactOptional().describe('calls that begin within any minute; others wait their turn'),
  }),
);

const Isolation = z.enum(['tenant', 'agent', 'run']);

export const Config = z.strictObject({
  tenants: z
    .record(
      TenantId,
      z.strictObject({
        tools: z
          .array(z.union([ToolName, z.literal('*')]))
          .default(['*'])
          .describe('names of the tools its agents may be granted; `*`: all'),
        queue: z.int().min(1).max(1_000_000).default(10_000).describe('runs that have not ended; a further one is refused with 429'),
        residents: bound(MACHINE.residents).exactOptional(),
        cells: bound(MACHINE.cells_per_tenant).exactOptional(),
        isolation: Isolation.exactOptional().describe(
          'whose runs may share a cell, and so could read each other if one took the process over: all of the `tenant`, those of one `agent`, or none (`run`). Left out: `agent` if several principals have deployed agents of the tenant, else `tenant`',
        ),
        agents: z
          .record(
            z.string().min(1).max(200),
            z.strictObject({ isolation: Isolation.exactOptional().describe('instead of that of the tenant') }),
          )
          .exactOptional()
          .describe('settings of single agents, by name'),
        ceilings: CeilingsRequest.default({}).describe('upper bounds of what a run of this tenant may ask for'),
        budget: Budget.default({}).describe('the most that the purse of a run of this tenant may hold; its children are paid from it'),
        spend: Spend.exactOptional().describe('what all of its runs together may spend, by day and month of UTC, on this host'),
        tool_limits: ToolLimits.exactOptional().describe('how often its agents may call tools, by name, besides the limits of the host'),
        policies: Policies.exactOptional().describe('instead of those of the host'),
        risk: Risk.exactOptional().describe('instead of that of the host'),
        retention: z
          .strictObject({ journals: Duration.exactOptional().describe('instead of that of the host') })
          .exactOptional()
          .describe('how long records of its runs are kept'),
        memory: TenantMemory.exactOptional().describe('how much all that its agents keep may take; left out: the defaults'),
        loops: Loops.exactOptional().describe(
          'how its runs are watched for loops, runaways and drift. Left out: what goes wrong is paused for a person, and nothing is killed; `false`: they are not watched',
        ),
      }),
    )
    .default({ ['local' as TenantId]: { tools: ['*'], queue: 10_000, ceilings: {}, budget: {} } })
    .describe('the tenants of this host'),
  limits: z
    .strictObject({
      runs_in_memory: bound(MACHINE.runs_in_memory).exactOptional(),
      park_after_ms: bound(MACHINE.park_after_ms).exactOptional(),
      cell_memory_mib: bound(MACHINE.cell_memory_mib).exactOptional(),
      approval_ms: bound(MACHINE.approval_ms).exactOptional(),
      no_progress_ms: bound(MACHINE.no_progress_ms).exactOptional(),
      tenant_heap_percent: bound(MACHINE.tenant_heap_percent).exactOptional(),
      runs_heap_percent: bound(MACHINE.runs_heap_percent).exactOptional(),
    })
    .default({})
    .describe('bounds of the host’s machinery; a change takes effect at its next start'),
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
  models: Models.default({}).describe('models, by the name that agents ask for: `uses: { model: "model:default" }`'),
  http: Http.default({}).describe('what agents may ask by HTTP, by the name that they ask for: `uses: { crm: "http:crm" }`'),
  openapi: OpenApi.default({}).describe(
    'OpenAPI documents, each operation of which is a tool: `listPets` of `pets` is `tool:pets.list_pets`',
  ),
  mcp: McpServers.default({}).describe(
    'MCP servers, by the name that agents ask for: all tools by `mcp:NAME`, one by `tool:NAME.tool`; a program on this machine, or an address',
  ),
  memory: Memories.default({}).describe(
    'what agents keep between runs, by the name that they ask for: `uses: { notes: "kv:notes" }` for all verbs, `tool:notes.get` for one',
  ),
  inspectors: Inspectors.default({}).describe(
    'what looks for secrets, personal data or attacks, by name: `context.inspect.NAME` in policies',
  ),
  annotations: z
    .record(ToolName, ToolNotes)
    .default({})
    .describe('annotations of tools for policies, by name; they override the tool’s own'),
  tool_limits: ToolLimits.default({}).describe('how often all tenants together may call tools, by name'),
  label_owner: z
    .string()
    .min(1)
    .max(PRINCIPAL_CHARS)
    .exactOptional()
    .describe('offer label.endorse and label.declassify; this principal, such as `token:ana`, decides about each use'),
  policies: Policies.default('default').describe('what decides about calls, besides grants; left out: the pack that comes with Corral'),
  approvals: ApprovalSettings.exactOptional().describe('which approvals take the credential of the person once more, and links to them'),
  risk: Risk.exactOptional().describe(
    'thresholds besides the policies, by tool: `{ "payments.*": { ask: 100, two: 1_000, never: 10_000, day: 5_000 }, external: "ask", irreversible: "two" }`',
  ),
  secrets: z.record(SecretName, SecretConfig).default({}).describe('by reference; the value is read at the moment a tool asks for it'),
  ceilings: CeilingsRequest.default({}).describe('upper bounds of what a run of this host may ask for'),
  budget: Budget.default({}).describe('the most that the purse of a run may hold: `{ money_micros: 50_000_000 }` is 50.00'),
  people: z
    .strictObject({
      issuers: z
        .array(
          z.strictObject({
            issuer: Address.describe('exactly the value of `iss`'),
            tenants: z
              .array(TenantId)
              .min(1)
              .exactOptional()
              .describe('the tenants that its tokens may name; all, if it is the only issuer. `host_wide` is independent of this'),
            audience: z.string().min(1).describe('the value that `aud` must contain'),
            jwks_uri: Address.exactOptional().describe('URL of its keys; left out: found by OpenID discovery'),
            tenant_claim: z.string().default('corral_tenant').describe('claim that names the tenant'),
            roles_claim: z.string().default('corral_roles').describe('claim that lists roles'),
            sign_in: z
              .strictObject({
                client: z
                  .string()
                  .min(1)
                  .max(200)
                  .describe('client id of the console at the issuer, which must know the redirect URI `<door.url>/sign-in/done`'),
                secret: SecretName.exactOptional().describe(
                  'name of the secret that is the client’s; left out: a public client, with PKCE alone',
                ),
                scope: z
                  .string()
                  .regex(
                    /^(?:[\x21\x23-\x5b\x5d-\x7e]+ )*openid(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/,
                    'scopes with spaces between them, `openid` among them',
                  )
                  .default('openid')
                  .describe('scopes that are asked for; the token about the person must have the claims of tenant and roles'),
                name: z.string().min(1).max(60).exactOptional().describe('what people know the issuer by; left out: the name of its host'),
                session: Duration.default('8h').describe('how long people stay signed in at most; never longer than 12 hours'),
              })
              .exactOptional()
              .describe('people may sign in at the console by this issuer (authorization code with PKCE); needs `door.url`'),
            host_wide: z.boolean().default(false).describe('whether a token may name the tenant `*`'),
            revoked: z.array(z.string().min(1).max(255)).max(10_000).default([]).describe('subjects whose tokens are refused'),
            issued_after: z.iso
              .datetime()
              .exactOptional()
              .describe('tokens that were issued before this, or have no issue time, are refused: for use after a key was stolen'),
          }),
        )
        .max(16)
        .default([]),
    })
    .default({ issuers: [] })
    .describe('OpenID issuers whose JSON web tokens are accepted'),
  webhooks: Webhooks,
  retention: z
    .strictObject({
      journals: Duration.exactOptional().describe(
        'how long the journals of ended runs are kept; then their contents are deleted and their hashes stay. Left out: for ever',
      ),
      operations_days: z
        .int()
        .min(1)
        .max(36_500)
        .default(365)
        .describe('how long records of what operators did, and lists of what people decided, are kept'),
      spend_months: z.int().min(1).max(1_200).default(13).describe('how long spending by day is kept, before the current month'),
      notifications_days: z.int().min(1).max(365).default(3).describe('how long delivery to a webhook that does not answer is retried'),
    })
    .default({ operations_days: 365, spend_months: 13, notifications_days: 3 }),
  wakeups: z
    .strictObject({
      redis: z
        .string()
        .refine((url) => redisAddress(url) !== undefined, 'must be an address such as redis://host:6379 or rediss://user@host:6379/0')
        .refine((url) => (URL.parse(url)?.password ?? '') === '', 'holds a password: name a secret as `wakeups.password` instead')
        .describe('address of a Redis or Valkey, `rediss://` for TLS, without its password'),
      password: SecretName.exactOptional().describe('name of the secret that is its password'),
      prefix: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,64}$/, 'up to 64 letters, digits, dots, hyphens and underscores')
        .default('corral')
        .describe('what its keys begin with; hosts of other data have another one'),
    })
    .exactOptional()
    .describe(
      'carry hints that a run may have something to do through Redis, which may lose all of them at any time; it holds from the next start. Left out: `$CORRAL_REDIS_URL`, or hints stay in the host’s process',
    ),
  telemetry: Telemetry,
  backups: z
    .string()
    .min(1)
    .max(4096)
    .exactOptional()
    .describe('folder for backups that are given by name instead of path, such as those requested over the network'),
  door: z
    .strictObject({
      url: Address.refine((url) => isOrigin(url), 'must be an origin such as https://corral.example, without a path')
        .exactOptional()
        .describe(
          'address at which people open this host; links in webhooks begin with it, sign-in returns to it, and its name is one of this host’s',
        ),
      hosts: z.array(z.string().max(253)).default([]).describe('host names of this host besides localhost'),
      body_bytes: z
        .int()
        .min(1024)
        .max(64 * 1024 * 1024)
        .default(2 * 1024 * 1024)
        .describe('size of a request; deploys have their own limit'),
      rate_per_s: z.number().min(0.1).max(1_000_000).default(500).describe('requests a second that a principal may make, sustained'),
      burst: z.int().min(1).max(1_000_000).default(1000).describe('requests that a principal may make at once'),
    })
    .default({ hosts: [], body_bytes: 2 * 1024 * 1024, rate_per_s: 500, burst: 1000 }),
});
export type Config = z.output<typeof Config>;
export type ConfigInput = z.input<typeof Config>;
