/** Replaces `then`, `Promise` and `Symbol.species`. It gains the values that pass through the prelude’s promises. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 'honest' };

export default defineAgent({
  name: 'promises',
  ceilings: { wall_ms: 20_000 },
  async run({ sleep }) {
    const seen: unknown[] = [];
    const { then } = Promise.prototype;
    Promise.prototype.then = function (...args) {
      seen.push(args.length);
      return Reflect.apply(then, this, args);
    };
    Object.defineProperty(Promise, Symbol.species, {
      get: () => {
        throw new Error('no');
      },
    });
    globalThis.Promise = undefined as never;
    await sleep(1);
    return 'honest';
  },
});
