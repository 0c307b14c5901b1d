/** Throws an object whose every member throws in turn. It gains an exception in whoever describes the first one. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_AGENT_THREW)' };

export default defineAgent({
  name: 'throws-nothing-sensible',
  ceilings: { wall_ms: 20_000 },
  run() {
    const trap = () => {
      throw new Proxy({}, { get: trap, getPrototypeOf: trap, has: trap, ownKeys: trap });
    };
    trap();
  },
});
