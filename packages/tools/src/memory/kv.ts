/** `kv:NAME`: values by key. */
import * as z from 'zod';
import { MEMORY } from '@corral/protocol/limits-memory';
import type { MemoryEntry } from '@corral/protocol/ports/memory';
import type { Tool } from '@corral/protocol/ports/tool';
import { ENTRY, limit, memoryTool, named, ttl_ms, version, Written, type MemoryOptions, type MemoryPowers } from './memory-tool.ts';

const key = named('the key').min(1);
const Entry = z.object({ key: z.string(), ...ENTRY });

const itemOf = ({ name, ...rest }: MemoryEntry) => ({ key: name, ...rest });

export function kvTools(options: MemoryOptions, powers: MemoryPowers): Tool[] {
  const { name, value_bytes } = options;
  return [
    memoryTool(options, powers, {
      verb: 'get',
      description: `The value of a key in ${name}, or null if there is none.`,
      input: z.strictObject({ key }),
      output: Entry.extend({ value: z.unknown() }).nullable(),
      effect: 'reads',
      async run(input, { store, space, caller }) {
        const found = await store.get(space, caller, input.key);
        if (found === undefined) return { value: null };
        const { value, kept, ...entry } = found;
        return { value: { ...itemOf(entry), value: JSON.parse(Buffer.from(value).toString('utf8')) as unknown }, kept };
      },
    }),
    memoryTool(options, powers, {
      verb: 'put',
      description: `Sets the value of a key in ${name}; with a version only if the key still has that one (0: none), else done is false.`,
      input: z.strictObject({
        key,
        value: z.unknown().describe('any JSON'),
        version: version.optional().describe('the version that the key has to have; 0: it has to be new'),
        ttl_ms,
      }),
      output: Written,
      effect: 'replaces',
      async run(input, { store, space, caller, bounds, ttl }) {
        const value = Buffer.from(JSON.stringify(input.value ?? null));
        const put = { name: input.key, value, version: input.version, ttl_ms: ttl(input.ttl_ms), value_bytes };
        const { done, version: now } = await store.put(space, caller, put, bounds);
        return { value: { done, version: now } };
      },
    }),
    memoryTool(options, powers, {
      verb: 'delete',
      description: `Deletes a key of ${name}; with a version only if the key still has that one, else done is false.`,
      input: z.strictObject({ key, version: version.optional().describe('the version that the key has to have') }),
      output: Written,
      effect: 'replaces',
      async run(input, { store, space, caller }) {
        const { done, version: now } = await store.remove(space, caller, input.key, input.version);
        return { value: { done, version: now } };
      },
    }),
    memoryTool(options, powers, {
      verb: 'list',
      description: `The keys of ${name} that begin with key, sorted, without their values; after goes on from the next of the page before.`,
      input: z.strictObject({
        key: named('what the keys begin with; left out: all').default(''),
        after: named('next of the page before').optional(),
        limit: limit(MEMORY.memory_page.max, MEMORY.memory_page.default),
      }),
      output: z.object({ items: z.array(Entry), next: z.string().optional() }),
      effect: 'reads',
      async run(input, { store, space, caller }) {
        const { entries, next, kept } = await store.list(space, caller, { prefix: input.key, after: input.after, limit: input.limit });
        return { value: { items: entries.map(itemOf), ...(next === undefined ? {} : { next }) }, kept };
      },
    }),
  ];
}
