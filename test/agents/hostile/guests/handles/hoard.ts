/** Has children that each keep sixteen megabytes behind handles. It gains memory of the host that no heap of an isolate counts. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'completed',
  children: ['killed', 'cancelled', 'completed', 'failed(CORRAL_BUDGET_EXCEEDED)', 'exceeded(bytes)'],
  vary: { kids: [5, 20] },
};

const kid = defineAgent({
  name: 'kid',
  uses: { read: 'tool:hostile.read' },
  async run({ caps, messages }) {
    for (let i = 0; i < 64; i++) await caps.read.handle({ bytes: 250_000 }).catch(() => undefined);
    await messages.next();
  },
});

export default defineAgent({
  name: 'hoard',
  uses: { read: 'tool:hostile.read' },
  spawns: { kid },
  async run({ input, spawn, caps, sleep }) {
    const { kids } = input as { kids: number };
    for (let i = 0; i < kids; i++) spawn(kid, {}, { caps: { read: caps.read }, budget: { cpu_ms: 1_000, bytes: 2 ** 25, calls: 100 } });
    await sleep(3_000);
  },
});
