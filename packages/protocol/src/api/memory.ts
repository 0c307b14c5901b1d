/** Memories of agents, for operators: which there are, their entries, and removing them. */
import * as z from 'zod';
import { MEMORY_NAME_CHARS } from '../limits-memory.ts';
import { SourceName } from '../model/manifest.ts';
import { MEMORY_KINDS } from '../ports/memory.ts';
import { dryRun, inTenant, json, Reason, runId, tenant, time_ms } from './parts.ts';
import { route } from './route.ts';
import { listOf, Page } from './schemas-page.ts';
import { withheld } from './withheld.ts';

const MemoryPath = z.strictObject({ memory: z.coerce.number().int().min(1).describe('its id, from the list of memories') });
const name = z.string().max(MEMORY_NAME_CHARS + 40);
const owner = z.string().min(1).max(600).describe('`agent:NAME`, `person:NAME`, or `tenant`');

const Memory = z
  .object({
    id: z.int(),
    tenant,
    memory: z.string().describe('its name in the configuration'),
    kind: z.enum(MEMORY_KINDS),
    owner,
    entries: z.int(),
    bytes: z.int().describe('what they count for'),
    at: time_ms.describe('the last write'),
  })
  .meta({ id: 'Memory' });

const Entry = z.object({
  name: z.string().nullable().describe('the key, the path, or what a text is about and its id; null where it is withheld'),
  version: z.int(),
  bytes: z.int(),
  at: time_ms,
  expires_at: time_ms.nullable(),
  influenced_by: z.array(z.string()).nullable().describe('who may have influenced it; null: nothing is known'),
  private_to: z.array(z.string()).nullable().describe('whose private data it may hold; null: nothing is known'),
  written_by: z
    .array(z.object({ run: runId, call: z.int(), agent: z.string(), person: z.string(), at: time_ms }))
    .describe('the latest first, at most 16'),
  withheld,
});
const MemoryEntry = Entry.meta({ id: 'MemoryEntry' });

const Removal = z
  .strictObject({
    ...inTenant,
    memory: SourceName.exactOptional(),
    owner: owner.exactOptional(),
    name: name.exactOptional().describe('one that is withheld from who asks is left alone'),
    prefix: name.exactOptional().describe('what the names begin with; entries that are withheld from who asks are left alone'),
    run: runId.exactOptional().describe('entries that this run has written a part of'),
    all: z.literal(true).exactOptional().describe('all that the tenant keeps'),
    reason: Reason,
    ...dryRun,
  })
  .refine(
    ({ all, memory, owner: of, name: one, prefix, run }) =>
      (all === true) !== [memory, of, one, prefix, run].some((part) => part !== undefined),
    { error: 'name what is removed: memory, owner, name, prefix or run; or say `all`' },
  )
  .meta({ id: 'MemoryRemoval' });

export const MEMORY_ROUTES = {
  listMemories: route({
    method: 'GET',
    path: '/v1/memory',
    tag: 'memory',
    summary: 'Lists memories in which something was kept, with whose each is and how much is in it.',
    operation: 'memory.read',
    query: Page.extend({ ...inTenant, memory: SourceName.exactOptional() }),
    status: 200,
    response: listOf(Memory),
  }),
  listMemoryEntries: route({
    method: 'GET',
    path: '/v1/memory/:memory/entries',
    tag: 'memory',
    summary: 'Lists the entries of a memory without their values, the latest first: labels, and which runs wrote them.',
    operation: 'memory.read',
    params: MemoryPath,
    query: Page.extend({ prefix: name.default('').describe('what their names begin with') }),
    status: 200,
    response: listOf(MemoryEntry),
  }),
  readMemory: route({
    method: 'POST',
    path: '/v1/memory/:memory/read',
    tag: 'memory',
    summary: 'Gives the value of an entry, if its label allows the reader; the record has who read what.',
    operation: 'memory.read',
    act: 'read-memory',
    params: MemoryPath,
    body: z.strictObject({ name, reason: Reason.exactOptional() }).meta({ id: 'MemoryReading' }),
    status: 200,
    response: Entry.extend({
      encoding: z.enum(['json', 'utf8', 'base64']).describe('how `value` is to be read'),
      value: json.nullable().describe('null where it is withheld'),
    }).meta({ id: 'MemoryValue' }),
  }),
  removeMemory: route({
    method: 'POST',
    path: '/v1/memory/remove',
    tag: 'memory',
    summary: 'Deletes entries: one, those whose names begin alike, what a run wrote, a whole memory, or all that a tenant keeps.',
    operation: 'memory.remove',
    act: 'remove-memory',
    body: Removal,
    status: 200,
    response: z.object({ entries: z.int(), bytes: z.int(), dryRun: z.boolean() }),
  }),
};
