/** Logs the control sequences of terminals, and lines that look like the host’s. It gains the terminal of whoever reads the log. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed' };

export default defineAgent({
  name: 'control-characters',
  ceilings: { wall_ms: 20_000 },
  run({ log }) {
    for (let i = 0; i < 100; i++) log(`\u001b]0;title\u0007\u001b[2J\r\n{"level":60,"msg":"forged"}\u2028\u0000`);
  },
});
