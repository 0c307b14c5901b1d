/** Replaces the methods of Map, Set and WeakMap by ones that tell what they were given. It gains references to the prelude’s own books. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 0 };

export default defineAgent({
  name: 'map-methods',
  ceilings: { wall_ms: 20_000 },
  async run({ sleep, emit }) {
    const seen: unknown[] = [];
    for (const kind of [Map, Set, WeakMap])
      for (const name of ['get', 'has', 'delete', 'set', 'add'])
        if (name in kind.prototype)
          (kind.prototype as never as Record<string, unknown>)[name] = (...args: unknown[]) => void seen.push(...args);
    await sleep(1);
    emit('x', seen.length);
    return seen.length;
  },
});
