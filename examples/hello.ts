/** The smallest agent: takes a name, gives a greeting. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'hello',
  purpose: 'Greet somebody.',
  input: z.object({ name: z.string() }),
  output: z.object({ greeting: z.string() }),
  run({ input, log }) {
    log('greeting', input.name);
    return { greeting: `Hello, ${input.name}!` };
  },
});
