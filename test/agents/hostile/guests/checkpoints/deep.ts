/** Starts over with a state that nests deeper than values may. It gains a run that its own host cannot read back. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_JSON_UNSUPPORTED)', vary: { levels: [65, 100_000] } };

export default defineAgent({
  name: 'deep',
  run({ input, checkpoint }) {
    const { levels } = input as { levels: number };
    let deep: unknown = 0;
    for (let i = 0; i < levels; i++) deep = [deep];
    return checkpoint(deep);
  },
});
