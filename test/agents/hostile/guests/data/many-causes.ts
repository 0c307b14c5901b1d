/** Throws an error with thousands of causes, some of which are their own. It gains time and space in the text of an outcome. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_AGENT_THREW)', vary: { causes: [50, 20_000] } };

export default defineAgent({
  name: 'many-causes',
  ceilings: { wall_ms: 20_000 },
  run({ input }) {
    const { causes } = input as { causes: number };
    let error = new Error('first');
    const first = error;
    for (let i = 0; i < causes; i++) error = new AggregateError([error, error], 'm'.repeat(1000), { cause: error });
    first.cause = error;
    throw error;
  },
});
