/** Tidies up when it is cancelled, as its child does, which takes a moment longer. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { tidy: 'tool:tidy' },
  async run({ caps, sleep }) {
    try {
      await sleep(3_600_000);
    } finally {
      await sleep(100);
      await caps.tidy({ who: 'child' });
    }
  },
});
export default defineAgent({
  name: 'parent',
  uses: { tidy: 'tool:tidy' },
  spawns: { child },
  async run({ caps, spawn }) {
    const kid = spawn(child, {}, { caps: { tidy: caps.tidy } });
    try {
      await kid.ended;
    } finally {
      await caps.tidy({ who: 'parent' });
    }
  },
});
