/** Asks for results of a quarter of a megabyte, sixteen at once, as often as it may. It gains memory of the host, of the tool’s process and of its cell. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'failed(CORRAL_BUDGET_EXCEEDED)', 'exceeded(bytes)'], vary: { times: [3, 12] } };

export default defineAgent({
  name: 'large-results',
  uses: { read: 'tool:hostile.read' },
  async run({ input, caps }) {
    const { times } = input as { times: number };
    for (let i = 0; i < times; i++) await Promise.all(Array.from({ length: 16 }, () => caps.read({ bytes: 250_000 })));
    return true;
  },
});
