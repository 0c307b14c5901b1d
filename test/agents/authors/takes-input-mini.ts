/** Says by its schema what input it takes: whole numbers, one of two words, and what may be left out. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'zod-mini',
  purpose: 'takes input',
  input: z.object({
    name: z.string(),
    size: z.optional(z.enum(['s', 'l'])),
    counts: z.optional(z.array(z.int())),
    at: z.optional(z.coerce.number()),
  }),
  output: z.object({ n: z.number() }),
  run: ({ input }) => ({ n: input.at ?? 0 }),
});
