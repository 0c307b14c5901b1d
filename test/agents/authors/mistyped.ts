/** Mistakes that the types of the SDK must find: `npm run typecheck` fails if one of them passes. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

const clerk = defineAgent({
  name: 'mistyped/clerk',
  input: z.object({ order: z.string(), express: z.optional(z.boolean()) }),
  output: z.object({ total: z.number() }),
  run: ({ input }) => ({ total: input.order.length }),
});

export const wrongMember = defineAgent({
  name: 'mistyped/member',
  output: z.object({ total: z.number() }),
  // @ts-expect-error -- `output` says a number
  run: () => ({ total: 'ten' }),
});

export const wrongPromise = defineAgent({
  name: 'mistyped/promise',
  uses: { read: 'tool:fs.read' },
  output: z.object({ text: z.string() }),
  // @ts-expect-error -- the text is in a member of what the tool gives
  async run({ caps }) {
    return { text: await caps.read({ path: 'a.txt' }) };
  },
});

export default defineAgent({
  name: 'mistyped',
  uses: { read: 'tool:fs.read' },
  spawns: { clerk },
  output: z.object({ total: z.number(), text: z.string() }),
  async run({ spawn, caps }) {
    // @ts-expect-error -- the clerk’s input has no such member
    spawn(clerk, { ordre: 'a' });
    const end = await spawn(clerk, { order: 'a' }).ended;
    // @ts-expect-error -- only a child that completed has an output
    void end.output;
    if (end.kind !== 'completed') throw new Error(end.kind);
    // @ts-expect-error -- the clerk’s output has no such member
    void end.output.sum;
    const total: number = end.output.total;
    // A handle may replace a part.
    return { total, text: (await caps.read.handle({ path: 'a.txt' })).part('text') };
  },
});
