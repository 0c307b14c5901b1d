/** Calls what the prelude leaves for the SDK with effects of its own. It gains effects that the SDK would refuse. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['failed(CORRAL_EFFECT_INVALID)', 'failed(CORRAL_CAP_FORGED)'] };

export default defineAgent({
  name: 'abi',
  ceilings: { wall_ms: 20_000 },
  async run() {
    const { corral } = globalThis as unknown as { corral: { effect: (one: object) => Promise<unknown> } };
    void corral.effect({ kind: 'call', id: 'next', cap: 0, input: {} });
    await corral.effect({ kind: 'finish', output: 1, id: 99 });
  },
});
