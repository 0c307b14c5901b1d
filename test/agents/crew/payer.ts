/** Pays, or looks something up, as its input says, and returns the answer or the code of the error. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';

export default defineAgent({
  name: 'payer',
  uses: { pay: 'tool:bank.pay', look: 'tool:bank.look' },
  ceilings: { wall_ms: 3_600_000 },
  run({ input, caps }) {
    const { look } = input as { look?: number };
    return (look === undefined ? caps.pay(input) : caps.look({ ms: look })).catch(codeOf);
  },
});
