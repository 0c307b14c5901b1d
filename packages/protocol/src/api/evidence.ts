/** Schemas of work on the evidence of runs on a running host: verifying, replaying, forking, erasing, collecting, backing up. */
import * as z from 'zod';
import { DIFFERENCE_KINDS } from '../wire/difference.ts';
import { digest, inTenant, json, Reason, runId, time_ms } from './parts.ts';
import { route, type Route } from './route.ts';
import { withheld } from './withheld.ts';

const runPath = z.strictObject({ run: runId });
const dryRun = z.boolean().default(false).describe('only say what it would do');

const LogHead = z
  .object({ size: z.int(), hash: z.string().describe('SHA-256 in hex: the root of the Merkle tree (RFC 6962)') })
  .meta({ id: 'LogHead' });
const VerifyRequest = z
  .strictObject({
    ...inTenant,
    run: runId.exactOptional().describe('one run; without it, all that the principal may see'),
    head: LogHead.exactOptional().describe('a head that was kept elsewhere: the log must begin with the leaves it covers'),
  })
  .meta({ id: 'VerifyRequest' });
const Verification = z
  .object({
    runs: z.int(),
    entries: z.int(),
    forgotten: z.int().describe('entries that were pruned or erased; the hash chain covers them too'),
    damaged: z.array(z.object({ run: z.string(), entry: z.int(), problem: z.string(), message: z.string() })),
    log: LogHead.extend({
      since: time_ms.nullable().describe('when the record began'),
      before: z.int().describe('runs that existed before it began'),
      problems: z
        .array(z.object({ leaf: z.int(), what: z.string(), subject: z.string(), message: z.string() }))
        .describe('facts of the log that do not hold any more, and facts that are missing in it'),
      count: z.int().describe('number of all problems; only the first are listed'),
    }),
  })
  .meta({ id: 'Verification' });

const EraseRequest = z
  .strictObject({ reason: Reason, dryRun, memory: z.boolean().default(false).describe('erases what the run has kept in memories as well') })
  .meta({ id: 'EraseRequest' });
const Erased = z
  .object({
    run: runId,
    dryRun: z.boolean(),
    erased_at: time_ms.nullable().describe('null after a dry run'),
    entries: z.int().describe('that cannot be opened any more'),
    blobs: z.int().describe('large payloads that no other run refers to'),
    bytes: z.number(),
    memory: z.object({ entries: z.int(), bytes: z.int() }).nullable().describe('what was removed from memories; null: nothing was asked'),
  })
  .meta({ id: 'Erased' });

const CollectRequest = z.strictObject({ ...inTenant, dryRun, reason: Reason.exactOptional() }).meta({ id: 'CollectRequest' });
const Collected = z
  .object({
    dryRun: z.boolean(),
    runs: z.int(),
    entries: z.int(),
    blobs: z.int(),
    bytes: z.number(),
    retention_ms: z.record(z.string(), z.number()).describe('retention by tenant; journals of a tenant without an entry are kept'),
  })
  .meta({ id: 'Collected' });

const Runtime = z.object({ node: z.string(), v8: z.string(), icu: z.string(), image: z.string() });
const ReplayRequest = z
  .strictObject({ to: z.int().min(1).exactOptional().describe('the last crank; without it, all of them') })
  .meta({ id: 'ReplayRequest' });
const Replayed = z
  .object({
    run: runId,
    matches: z.boolean(),
    cranks: z.int(),
    cpu_us: z.number(),
    difference: z
      .object({
        crank: z.int(),
        index: z.int(),
        kind: z.enum([...DIFFERENCE_KINDS, 'fault']),
        fault: z.string().exactOptional(),
        expected: z.string(),
        seen: z.string(),
      })
      .nullable(),
    computed_at: z
      .string()
      .nullable()
      .describe('if the run ended because one crank used up its CPU time: the stack there, in positions of the bundle'),
    recorded: Runtime.describe('runtime of the recording'),
    replayed: Runtime.describe('runtime of the replay'),
    steps: z.array(z.object({ crank: z.int(), cpu_us: z.number(), matched: z.boolean(), effects: json.exactOptional() })),
    withheld,
  })
  .meta({ id: 'Replayed' });

const ForkRequest = z
  .strictObject({
    at: z.int().min(1).describe('the first crank that may differ; everything before it is kept'),
    input: json.exactOptional().describe('another input; only at crank 1'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'ForkRequest' });
const Forked = z
  .object({
    run: runId,
    origin: z.object({ run: runId, at: z.int() }),
    unknown: z
      .array(z.object({ call: z.int(), tool: z.string() }))
      .describe('calls that were under way at that crank; they wait for a person'),
  })
  .meta({ id: 'Forked' });

const UpgradeRequest = z
  .strictObject({
    to: z
      .string()
      .max(80)
      .regex(/^([a-z][a-z0-9-]{0,31}|sha256:[0-9a-f]{8,64})$/, 'an alias or sha256:…')
      .describe('a deployed version of its agent, or an alias that points at it'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'UpgradeRequest' });
const Upgraded = z.object({ run: runId, version: digest }).meta({ id: 'Upgraded' });

const BackupRequest = z
  .strictObject({
    to: z
      .string()
      .min(1)
      .max(4096)
      .describe('over the host’s socket: any folder that is empty or does not exist; over the network: a name below `backups`'),
    reason: Reason.exactOptional(),
  })
  .meta({ id: 'BackupRequest' });
const Backup = z
  .object({
    to: z.string(),
    format: z.literal(2),
    era: z.int(),
    at: time_ms,
    bytes: z.number(),
    files: z.array(z.object({ name: z.string(), bytes: z.number(), digest })).describe('the databases, all as of one moment'),
    digest: digest.describe('over all of the above, as canonical JSON'),
  })
  .meta({ id: 'Backup' });

export const EVIDENCE_ROUTES = {
  logHead: route({
    method: 'GET',
    path: '/v1/log',
    tag: 'evidence',
    summary: 'Gives the head of the log of the host’s record. A head that is kept elsewhere can be verified later.',
    operation: 'operation.read',
    status: 200,
    response: LogHead,
  }),
  verifyJournals: route({
    method: 'POST',
    path: '/v1/verify',
    tag: 'evidence',
    summary: 'Checks hash chains, journals, payloads, bundles and the log of the record, of one run or of all, on a thread of its own.',
    operation: 'evidence.verify',
    act: { none: 'it only reads' },
    body: VerifyRequest,
    status: 200,
    response: Verification,
  }),
  eraseRun: route({
    method: 'POST',
    path: '/v1/runs/:run/erase',
    tag: 'evidence',
    summary: 'Deletes the contents of a run for ever: its key is destroyed. Its hash chain stays.',
    operation: 'run.erase',
    act: 'erase',
    params: runPath,
    body: EraseRequest,
    status: 200,
    response: Erased,
  }),
  collectGarbage: route({
    method: 'POST',
    path: '/v1/gc',
    tag: 'evidence',
    summary: 'Deletes the data of erased runs, and journals whose retention has passed, now. A host does this by itself every ten minutes.',
    operation: 'evidence.collect',
    act: 'collect',
    body: CollectRequest,
    status: 200,
    response: Collected,
  }),
  replayRun: route({
    method: 'POST',
    path: '/v1/runs/:run/replay',
    tag: 'evidence',
    summary: 'Repeats a run from its journal, in a cell of its own, without any effect leaving; stops at the first difference.',
    operation: 'run.payload',
    act: { none: 'it only reads, in a cell of its own' },
    params: runPath,
    body: ReplayRequest,
    status: 200,
    response: Replayed,
  }),
  forkRun: route({
    method: 'POST',
    path: '/v1/runs/:run/fork',
    tag: 'evidence',
    summary: 'Starts a new run of the principal with the beginning of another one.',
    operation: 'run.fork',
    act: 'fork',
    params: runPath,
    body: ForkRequest,
    status: 201,
    response: Forked,
  }),
  upgradeRun: route({
    method: 'POST',
    path: '/v1/runs/:run/upgrade',
    tag: 'evidence',
    summary: 'Moves a run to another version of its agent, if a replay on that does the same.',
    operation: 'run.resolve',
    act: 'upgrade',
    params: runPath,
    body: UpgradeRequest,
    status: 200,
    response: Upgraded,
  }),
  makeBackup: route({
    method: 'POST',
    path: '/v1/backups',
    tag: 'evidence',
    summary: 'Copies all databases of the host as of one moment, while work goes on. Keys are not included.',
    operation: 'host.backup',
    act: 'backup',
    body: BackupRequest,
    status: 201,
    response: Backup,
  }),
} as const satisfies Record<string, Route>;
