/** Asks for an even number, which no JSON Schema says: the code of the schema does. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

const Even = z.number().check(z.refine((n) => n % 2 === 0, { error: 'an even number, please' }));

export default defineAgent({
  name: 'even',
  uses: { owner: 'tool:owner.ask' },
  async run({ ask }) {
    const pairs: number = await ask('How many seats?', z.toJSONSchema(Even));
    return pairs / 2;
  },
});
