/** Emits a value that holds one part many times over, so that its text is far longer than it is. It gains memory of whoever writes it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['failed(CORRAL_EFFECT_TOO_LARGE)', 'exceeded(memory)', 'exceeded(cpu)'],
  vary: { levels: [20, 28] },
};

export default defineAgent({
  name: 'shared',
  ceilings: { wall_ms: 20_000 },
  run({ input, emit }) {
    const { levels } = input as { levels: number };
    let all: unknown = 'x';
    for (let i = 0; i < levels; i++) all = [all, all];
    emit('x', all);
  },
});
