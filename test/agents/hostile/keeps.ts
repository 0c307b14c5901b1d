/**
 * Makes its host keep data of one kind for it, and then waits. It gains the host's memory. Input: what it holds, how many, and how large each is
 * in characters.
 */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'keeps',
  uses: { page: 'tool:page', records: 'tool:records', hold: 'tool:hold' },
  ceilings: { crank_cpu_ms: 5_000 },
  budget: { bytes: 2 ** 30, calls: 10_000, cpu_ms: 60_000 },
  async run({ input, caps, sleep }) {
    const { what, count, chars } = input as { what: string; count: number; chars: number };
    for (let i = 0; i < count; i++) {
      if (what === 'pages') await caps.page.handle({ chars, i });
      else if (what === 'records') await caps.records.handle({ chars, i });
      else if (what === 'texts') await caps.page({ chars, i });
      else if (what === 'timers') void sleep(3_600_000);
      else if (what === 'calls') caps.hold({ text: `${i}`.padEnd(chars, 'x') }).catch(() => undefined);
    }
    await caps.hold({ text: 'ready' });
  },
});
