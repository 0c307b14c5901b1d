/** Puts indexes of capabilities into an effect that it was never given. It gains what others hold, if an index is authority. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_CAP_FORGED)', vary: { index: [40, 2_000_000] } };

export default defineAgent({
  name: 'forged',
  async run({ input }) {
    const { index } = input as { index: number };
    const { corral } = globalThis as unknown as { corral: { effect: (one: object) => Promise<unknown> } };
    await corral.effect({ kind: 'call', id: 'next', cap: index, input: {} });
  },
});
