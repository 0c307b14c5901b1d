/** Starts 64 children that pay for as long as they have money, pays meanwhile, and spends what they left. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';

const child = defineAgent({
  name: 'child',
  uses: { pay: 'tool:pay' },
  async run({ caps }) {
    const said = await Promise.all([1, 1, 1].map((amount) => code(caps.pay({ amount }))));
    return said.filter((one) => one === 'ok').length;
  },
});

export default defineAgent({
  name: 'parent',
  uses: { pay: 'tool:pay' },
  spawns: { child },
  async run({ caps, spawn }) {
    const kids = Array.from({ length: 64 }, (_, i) => {
      // Some get nothing, since nobody gives money away without saying so.
      const budget = { calls: 3, cpu_ms: 2_000, ...(i % 8 === 0 ? {} : { money_micros: 2_500_000 }) };
      return spawn(child, {}, { caps: { pay: caps.pay }, budget }).ended;
    });
    const own = await Promise.all(Array.from({ length: 5 }, () => code(caps.pay({ amount: 1 }))));
    const ends = await Promise.all(kids);
    // The remainder of each child is here again.
    const late: string[] = [];
    for (let i = 0; i < 100; i++) late.push(await code(caps.pay({ amount: 1 })));
    return {
      own,
      late: late.filter((one) => one === 'ok').length,
      ends: ends.map((end) => (end.kind === 'completed' ? end.output : end.kind)),
    };
  },
});
