/** `memory:NAME`: texts that are remembered and found again by their words. */
import * as z from 'zod';
import { MEMORY } from '@corral/protocol/limits-memory';
import { aboutOf } from '@corral/protocol/ports/memory';
import type { Tool } from '@corral/protocol/ports/tool';
import { limit, memoryTool, named, ttl_ms, type MemoryOptions, type MemoryPowers } from './memory-tool.ts';

const about = named('what it is about, as a path such as customers/acme; left out: nothing in particular').default('');
const PATH = { argument: 'about', all: true };
const ID = /^m_[0-9a-z]{1,30}$/;
const id = z.string().regex(ID, 'the id of a remembered text');
const Item = z.object({
  id,
  about: z.string(),
  text: z.string(),
  at: z.int().describe('when it was remembered, in milliseconds since 1970'),
  expires_at: z.int().optional(),
});
/** Texts that one recall gives. */
const RECALLED = 10;

const nameOf = (of: { readonly about: string; readonly id: string }): string => (of.about === '' ? of.id : `${of.about}/${of.id}`);

const partsOf = (name: string): { readonly id: string; readonly about: string } => ({
  id: name.slice(name.lastIndexOf('/') + 1),
  about: aboutOf(name),
});

export function recallTools(options: MemoryOptions, powers: MemoryPowers): Tool[] {
  const { name, value_bytes } = options;
  return [
    memoryTool(options, powers, {
      verb: 'remember',
      description: `Keeps a text in ${name}, to be recalled by its words.`,
      input: z.strictObject({ text: z.string().min(1), about, ttl_ms }),
      output: z.object({ id }),
      effect: 'adds',
      path: PATH,
      async run(input, { store, space, caller, bounds, ttl }) {
        // Made of the call, so that one that is made again remembers no second text.
        const one = { about: input.about, id: `m_${caller.run.replace(/^run_/, '')}${caller.call.toString(36).padStart(4, '0')}` };
        const put = { name: nameOf(one), value: Buffer.from(input.text), words: input.text, ttl_ms: ttl(input.ttl_ms), value_bytes };
        await store.put(space, caller, put, bounds);
        return { value: { id: one.id } };
      },
    }),
    memoryTool(options, powers, {
      verb: 'recall',
      description: `Texts of ${name} that have any of the words, the best first; without words the latest. about leaves only those below it.`,
      input: z.strictObject({
        words: z.string().max(2_000).default('').describe('whole words, without regard to case and accents'),
        about,
        limit: limit(MEMORY.memory_page.default, RECALLED),
      }),
      output: z.object({ items: z.array(Item) }),
      effect: 'reads',
      path: PATH,
      async run(input, { store, space, caller }) {
        const prefix = input.about === '' ? '' : `${input.about}/`;
        const { entries, kept } = await store.recall(space, caller, { prefix, words: input.words, limit: input.limit });
        const items = entries.map(({ name: of, value, at, expires_at }) => ({
          ...partsOf(of),
          text: Buffer.from(value).toString('utf8'),
          at,
          ...(expires_at === undefined ? {} : { expires_at }),
        }));
        return { value: { items }, kept };
      },
    }),
    memoryTool(options, powers, {
      verb: 'forget',
      description: `Forgets a text of ${name}, by its id and what it is about.`,
      input: z.strictObject({ id, about }),
      output: z.object({ done: z.boolean().describe('false: there was none') }),
      effect: 'replaces',
      path: PATH,
      async run(input, { store, space, caller }) {
        const { done } = await store.remove(space, caller, nameOf(input));
        return { value: { done } };
      },
    }),
  ];
}
