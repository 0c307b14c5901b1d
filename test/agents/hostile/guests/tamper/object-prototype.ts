/** Puts setters and members on `Object.prototype` under the names that effects have. It gains effects with members that nobody wrote. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 'honest' };

export default defineAgent({
  name: 'object-prototype',
  ceilings: { wall_ms: 20_000 },
  async run({ sleep }) {
    for (const name of ['id', 'handles', 'as_handle', 'cap', 'get', 'set', 'value'])
      Object.defineProperty(Object.prototype, name, { get: () => 7, set: () => {}, configurable: true });
    await sleep(1);
    return 'honest';
  },
});
