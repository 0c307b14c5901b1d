/** Has a program add up what a tool says, one call after the other, so that a host can be stopped in its middle. */
import { defineAgent } from '@corral/guest';

/** Longer than what is kept within an entry, so that it is a payload of its own. */
const SOURCE = `
${'// A program that a model wrote says what it does at length.\n'.repeat(100)}
let sum = 0;
for (let n = 1; n <= input.times; n++) sum += await caps.read({ n });
console.log('the sum is', sum);
return sum;
`;

export default defineAgent({
  name: 'planner',
  uses: { read: 'tool:read' },
  code: true,
  async run({ input, caps, spawn }) {
    const { times } = input as { times: number };
    return spawn.code(SOURCE, { caps: { read: caps.read }, input: { times }, output: 'number' }).ended;
  },
});
