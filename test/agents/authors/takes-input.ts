/** Says by its schema what input it takes: whole numbers, one of two words, and what may be left out. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod';

export default defineAgent({
  name: 'zod',
  purpose: 'takes input',
  input: z.object({
    name: z.string(),
    size: z.enum(['s', 'l']).optional(),
    counts: z.array(z.int()).optional(),
    at: z.coerce.number().optional(),
  }),
  output: z.object({ n: z.number() }),
  run: ({ input }) => ({ n: input.at ?? 0 }),
});
