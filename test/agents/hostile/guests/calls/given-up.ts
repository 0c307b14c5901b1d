/** Makes calls and gives each up at once, for ever. It gains answers that arrive for nobody and are kept. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(effects)', 'failed(CORRAL_BUDGET_EXCEEDED)', 'exceeded(in_flight)'] };

export default defineAgent({
  name: 'given-up',
  uses: { wait: 'tool:hostile.wait' },
  ceilings: { effects: 2_000 },
  async run({ caps, sleep }) {
    for (;;) {
      for (let i = 0; i < 20; i++) {
        const giving = new AbortController();
        void caps.wait({ ms: 200 }, { signal: giving.signal }).catch(() => undefined);
        giving.abort();
      }
      await sleep(20);
    }
  },
});
