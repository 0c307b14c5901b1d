/** Asks for an answer of several parts, with words that a stranger might choose, and gives it back. */
import { defineAgent } from '@corral/guest';
import { z } from 'zod';

const Order = z.object({
  shop: z.enum(['north', 'south']),
  most: z.number().int().max(10).describe('at most what is left'),
  sure: z.boolean(),
  items: z.array(z.string()).min(1),
  note: z.string().optional(),
});

export default defineAgent({
  name: 'order',
  uses: { owner: 'tool:owner.ask' },
  run: ({ ask }) => ask('What shall I order? <img src=x onerror=alert(1)> \u202Egnp.exe', Order),
});
