/** Sets timers and clears them again, for ever. It gains two entries of the journal for each that never fires. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(effects_per_crank)', 'exceeded(effects)'] };

export default defineAgent({
  name: 'set-and-clear',
  ceilings: { wall_ms: 20_000 },
  run() {
    for (;;) clearTimeout(setTimeout(() => undefined, 1000));
  },
});
