/** `files:NAME`: bytes by path, in the host's store and nowhere else on its disk. */
import * as z from 'zod';
import { MEMORY } from '@corral/protocol/limits-memory';
import type { MemoryEntry } from '@corral/protocol/ports/memory';
import type { Tool } from '@corral/protocol/ports/tool';
import { endOfCharacters, withinJson } from '../text.ts';
import { ENTRY, limit, memoryTool, named, ttl_ms, version, Written, type MemoryOptions, type MemoryPowers } from './memory-tool.ts';

/** As much of a file as one read gives: it fits the default size of a result as base64, and as text of which JSON escapes little. */
const READ_BYTES = 128 * 1024;
const READ_JSON_BYTES = 250 * 1024;

const path = named('the path, such as reports/may.md').min(1);
const encoding = z.enum(['utf8', 'base64']).default('utf8');
const Entry = z.object({ path: z.string(), ...ENTRY });
const FileWritten = Written.extend({ bytes: z.int().describe('of the whole file') });
const content = { text: z.string().describe('what is written; bytes as base64, where encoding says so'), encoding };
const isBase64 = ({ text, encoding: as }: { readonly text: string; readonly encoding: string }): boolean =>
  as !== 'base64' || (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text));
const NOT_BASE64 = { error: 'is not base64', path: ['text'] };

const itemOf = ({ name, ...rest }: MemoryEntry) => ({ path: name, ...rest });
const ONE = { argument: 'path', all: false };

export function fileTools(options: MemoryOptions, powers: MemoryPowers): Tool[] {
  return [...readers(options, powers), ...writers(options, powers)];
}

function readers(options: MemoryOptions, powers: MemoryPowers): Tool[] {
  const { name } = options;
  return [
    memoryTool(options, powers, {
      verb: 'read',
      description: `A file of ${name} from offset on, at most ${READ_BYTES} bytes, or null if there is none; next is the offset of the rest.`,
      input: z.strictObject({
        path,
        encoding,
        offset: z.int().min(0).default(0),
        length: z.int().min(1).max(READ_BYTES).default(READ_BYTES).describe('bytes'),
      }),
      output: Entry.extend({ text: z.string(), next: z.int().optional() }).nullable(),
      effect: 'reads',
      path: ONE,
      async run(input, { store, space, caller }) {
        const found = await store.get(space, caller, input.path);
        if (found === undefined) return { value: null };
        const { value, kept, ...entry } = found;
        const { text, end } = partOf(Buffer.from(value), input.offset, input.length, input.encoding);
        return { value: { ...itemOf(entry), text, ...(end < value.length ? { next: end } : {}) }, kept };
      },
    }),
    memoryTool(options, powers, {
      verb: 'list',
      description: `The files of ${name} below a path, sorted, without their contents; after goes on from the next of the page before.`,
      input: z.strictObject({
        path: named('the folder; left out: all').default('.'),
        after: named('next of the page before').optional(),
        limit: limit(MEMORY.memory_page.max, MEMORY.memory_page.default),
      }),
      output: z.object({ items: z.array(Entry), next: z.string().optional() }),
      effect: 'reads',
      path: { argument: 'path', all: true },
      async run(input, { store, space, caller }) {
        const prefix = input.path === '' ? '' : `${input.path}/`;
        const { entries, next, kept } = await store.list(space, caller, { prefix, after: input.after, limit: input.limit });
        return { value: { items: entries.map(itemOf), ...(next === undefined ? {} : { next }) }, kept };
      },
    }),
  ];
}

function writers(options: MemoryOptions, powers: MemoryPowers): Tool[] {
  const { name, value_bytes } = options;
  return [
    memoryTool(options, powers, {
      verb: 'write',
      description: `Writes a whole file of ${name}; with a version only if the file still has that one (0: none), else done is false.`,
      input: z.strictObject({ path, ...content, version: version.optional(), ttl_ms }).refine(isBase64, NOT_BASE64),
      output: FileWritten,
      effect: 'replaces',
      path: ONE,
      async run(input, { store, space, caller, bounds, ttl }) {
        const value = Buffer.from(input.text, input.encoding);
        const put = { name: input.path, value, version: input.version, ttl_ms: ttl(input.ttl_ms), value_bytes };
        return { value: await store.put(space, caller, put, bounds) };
      },
    }),
    memoryTool(options, powers, {
      verb: 'append',
      description: `Adds to the end of a file of ${name}, which is made if there is none.`,
      input: z.strictObject({ path, ...content, ttl_ms }).refine(isBase64, NOT_BASE64),
      output: FileWritten,
      effect: 'adds',
      path: ONE,
      async run(input, { store, space, caller, bounds, ttl }) {
        const value = Buffer.from(input.text, input.encoding);
        const put = { name: input.path, value, append: true, ttl_ms: ttl(input.ttl_ms), value_bytes };
        return { value: await store.put(space, caller, put, bounds) };
      },
    }),
    memoryTool(options, powers, {
      verb: 'remove',
      description: `Removes a file of ${name}; with a version only if the file still has that one, else done is false.`,
      input: z.strictObject({ path, version: version.optional() }),
      output: FileWritten,
      effect: 'replaces',
      path: ONE,
      async run(input, { store, space, caller }) {
        return { value: await store.remove(space, caller, input.path, input.version) };
      },
    }),
  ];
}

/** @returns the text, and where in the file it ends */
function partOf(
  file: Buffer,
  offset: number,
  length: number,
  encoding: 'utf8' | 'base64',
): { readonly text: string; readonly end: number } {
  const bytes = file.subarray(offset, offset + length);
  if (encoding === 'base64') return { text: bytes.toString(encoding), end: offset + bytes.length };
  const isLast = offset + bytes.length >= file.length;
  const whole = bytes.subarray(0, isLast ? bytes.length : endOfCharacters(bytes));
  const decoded = whole.toString('utf8');
  const text = withinJson(decoded, READ_JSON_BYTES);
  // A file that is not UTF-8 may be longer as text; then the rest is counted by the characters that were left out.
  const end = text.length === decoded.length ? whole.length : Math.max(1, whole.length - Buffer.byteLength(decoded.slice(text.length)));
  return { text, end: offset + end };
}
