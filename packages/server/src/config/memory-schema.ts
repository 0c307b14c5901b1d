/** Memories of agents in a configuration (`memory`). */
import * as z from 'zod';
import { MEMORY, MEMORY_TTL_MS } from '@corral/protocol/limits-memory';
import { SourceName } from '@corral/protocol/model/manifest';
import { MEMORY_KINDS } from '@corral/protocol/ports/memory';
import { SCOPES } from '@corral/tools/memory/memory-tool';

const { memory_bytes, memory_entries, memory_tenant_bytes, memory_tenant_entries, memory_value_bytes } = MEMORY;
const bound = ({ min, max, about, default: fallback }: typeof memory_bytes) => z.int().min(min).max(max).default(fallback).describe(about);

const MemoryConfig = z.strictObject({
  kind: z
    .enum(MEMORY_KINDS)
    .describe(
      '`kv`: values by key (`kv:NAME`); `files`: files by path (`files:NAME`); `memory`: texts, found by their words (`memory:NAME`)',
    ),
  scope: z
    .enum(SCOPES)
    .default('agent')
    .describe(
      'whose entries are apart from those of others: those of each `agent` or service, those of each `person` that runs act for, or nobody’s within the `tenant`. A capability that is handed on stays that of whom it was made for',
    ),
  shares: z
    .array(z.string().min(1).max(200))
    .max(100)
    .default([])
    .describe(
      'names whose private data every run may read here again; `*`: all. Left out: only runs for the same person, or for those whose data it is',
    ),
  returns: z
    .enum(['trusted', 'untrusted'])
    .default('trusted')
    .describe('whether all that is read counts as a stranger’s; `trusted`: what its own label says'),
  private_to: z.string().min(1).max(200).exactOptional().describe('all that is read is private data, and whose, besides its own label'),
  ttl_ms: z
    .int()
    .min(1000)
    .max(MEMORY_TTL_MS)
    .exactOptional()
    .describe('longest time that an entry is kept; left out: until it is deleted'),
  limits: z
    .strictObject({ value_bytes: bound(memory_value_bytes), bytes: bound(memory_bytes), entries: bound(memory_entries) })
    .prefault({}),
});
export const Memories = z.record(SourceName, MemoryConfig);

export const TenantMemory = z.strictObject({ bytes: bound(memory_tenant_bytes), entries: bound(memory_tenant_entries) });
