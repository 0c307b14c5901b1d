/** Freezes every object it can reach, so that nothing can be changed any more. It gains an exception in the middle of the prelude. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 'honest' };

export default defineAgent({
  name: 'frozen',
  ceilings: { wall_ms: 20_000 },
  async run({ sleep }) {
    const seen = new Set<unknown>();
    const freeze = (one: unknown): void => {
      if ((typeof one !== 'object' && typeof one !== 'function') || one === null || seen.has(one)) return;
      seen.add(one);
      for (const name of Reflect.ownKeys(one)) {
        const found = Reflect.getOwnPropertyDescriptor(one, name);
        if (found !== undefined && 'value' in found) freeze(found.value);
      }
      try {
        Object.freeze(one);
      } catch {
        return;
      }
    };
    for (const name of Object.getOwnPropertyNames(globalThis))
      if (name !== 'globalThis') freeze((globalThis as unknown as Record<string, unknown>)[name]);
    await sleep(1);
    return 'honest';
  },
});
