/** `fs.read`, `fs.list` and `fs.write`, each confined to one folder. */
import * as z from 'zod';
import type { Tool } from '@corral/protocol/ports/tool';
import { CEILINGS } from '@corral/protocol/limits';
import { Confined, type ListedEntry } from './confined.ts';
import { endOfCharacters, withinJson } from './text.ts';
import { inlineTool } from './define.ts';

/** The result then fits into the default size as base64, and as text of which JSON escapes little. */
const READ_BYTES = 128 * 1024;
const LIST_ENTRIES = 2_000;
/** The default size of a result, less the JSON around the text or the entries. */
const RESULT_BYTES = CEILINGS.message_bytes.default - 1024;

const path = z.string().min(1).max(4096);
const encoding = z.enum(['utf8', 'base64']).default('utf8');

/** Tools that read below `folder`. */
export async function readingTools(folder: string): Promise<Tool[]> {
  const confined = await Confined.at(folder);
  const annotations = {
    readOnly: true,
    idempotent: true,
    destructive: false,
    openWorld: false,
    returns: 'untrusted',
    resource: 'file',
  } as const;
  return [
    inlineTool({
      name: 'fs.read',
      description: `The beginning of a file, at most ${READ_BYTES} bytes; fewer if the text grows much when it is written as JSON. With utf8, bytes that are not UTF-8 become U+FFFD; base64 keeps them.`,
      input: z.strictObject({ path, encoding }),
      output: z.object({ text: z.string(), bytes: z.int(), truncated: z.boolean() }),
      annotations,
      async run({ path: at, encoding: as }) {
        const { data, size } = await confined.read(at, READ_BYTES);
        const cut = size > data.length;
        if (as === 'base64') return { text: data.toString(as), bytes: size, truncated: cut };
        const whole = data.subarray(0, cut ? endOfCharacters(data) : data.length).toString(as);
        const text = withinJson(whole, RESULT_BYTES);
        return { text, bytes: size, truncated: cut || text.length < whole.length };
      },
    }),
    inlineTool({
      name: 'fs.list',
      description: `The names in a folder, sorted, at most ${LIST_ENTRIES}.`,
      input: z.strictObject({ path: path.default('.') }),
      output: z.object({
        entries: z.array(z.object({ name: z.string(), kind: z.enum(['file', 'folder', 'other']) })),
        truncated: z.boolean(),
      }),
      annotations,
      async run({ path: at }) {
        const all = await confined.list(at);
        const entries: ListedEntry[] = [];
        for (let left = RESULT_BYTES; entries.length < Math.min(all.length, LIST_ENTRIES);) {
          const next = all[entries.length] as ListedEntry;
          left -= Buffer.byteLength(JSON.stringify(next)) + 1;
          if (left < 0) break;
          entries.push(next);
        }
        return { entries, truncated: entries.length < all.length };
      },
    }),
  ];
}

/** Tools that write below `folder`. */
export async function writingTools(folder: string): Promise<Tool[]> {
  const confined = await Confined.at(folder);
  return [
    inlineTool({
      name: 'fs.write',
      description: 'Writes a whole file, replacing what was there.',
      input: z.strictObject({ path, text: z.string(), encoding }),
      output: z.object({ bytes: z.int() }),
      // Idempotent: writing the same text twice has the effect of writing it once. Destructive: the former content is lost.
      annotations: { readOnly: false, idempotent: true, destructive: true, openWorld: false, returns: 'trusted', resource: 'file' },
      async run({ path: at, text, encoding: as }) {
        const data = Buffer.from(text, as);
        await confined.write(at, data);
        return { bytes: data.length };
      },
    }),
  ];
}
