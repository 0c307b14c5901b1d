/** Emits a proxy that invents members for ever. It gains time and memory of whoever lists them. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(cpu)', 'exceeded(memory)', 'failed(CORRAL_EFFECT_TOO_LARGE)', 'failed(CORRAL_JSON_UNSUPPORTED)'],
};

export default defineAgent({
  name: 'proxy',
  ceilings: { wall_ms: 20_000 },
  run({ emit }) {
    emit('x', new Proxy([], { get: (_, name) => (name === 'length' ? 2 ** 32 : name === 'toJSON' ? undefined : 1) }));
  },
});
