/** Reads all the time, and does nothing else: how long it gets no answer is what a hostile neighbour costs it. */
import { defineAgent } from '@corral/guest';

const TURNS = 400;

export default defineAgent({
  name: 'neighbour',
  uses: { read: 'tool:near.read' },
  ceilings: { wall_ms: 86_400_000, effects: 10_000_000, journal_bytes: 2 ** 32 },
  budget: { calls: 100_000_000, cpu_ms: 86_400_000, bytes: 2 ** 34 },
  async run({ input, caps, checkpoint }) {
    const { who } = input as { who: string };
    for (let i = 0; i < TURNS; i++) await caps.read({ who });
    return checkpoint(null);
  },
});
