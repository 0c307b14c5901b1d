/** The bytes of a purse: what a run reads of results is limited by them, however many calls it makes at once. */
import { expect, test } from 'vitest';
import { readingTool, world } from '../world.ts';

const SIZE = 20_000;
const BUDGET = 100_000;

// Bug bytes-at-once: a result was delivered whatever it took of the purse, once for each call that was under way when nothing was left.
test.each([
  ['results', `caps.big({}).then(({ length }) => length)`],
  ['results that are held as handles', `caps.big.handle({}).then(({ bytes }) => bytes)`],
  ['replies of a child', `child.mailbox.request({}).then(({ length }) => length)`],
])('%s of calls made together take no more than the purse has, and one that was not known to be too large', async (_, read) => {
  const w = await world([readingTool('big', () => 'x'.repeat(SIZE))]);
  const source = `import { defineAgent } from '@corral/guest';
    const kid = defineAgent({ name: 'kid', async run({ messages }) { for await (const message of messages) await message.reply('x'.repeat(${SIZE})); } });
    export default defineAgent({ name: 'reader', uses: { big: 'tool:big' }, spawns: { kid }, async run({ caps, spawn }) {
      const child = spawn(kid, {}, { budget: { bytes: 100_000_000 } });
      const code = (error) => { if (error.limit !== 'bytes') throw error; return 0; };
      const read = await Promise.all(Array.from({ length: 50 }, () => ${read}.catch(code)));
      const more = await caps.big({}).catch((error) => error.limit);
      return { sum: read.reduce((sum, one) => sum + one, 0), more };
    } });`;
  const outcome = await w.run(source, {}, { budget: { bytes: BUDGET + 100_000_000, children: 1 } });
  expect(outcome).toMatchObject({ kind: 'completed', output: { more: 'bytes' } });
  const { sum } = (outcome as unknown as { output: { sum: number } }).output;
  expect(sum).toBeGreaterThan(BUDGET / 2);
  expect(sum).toBeLessThanOrEqual(BUDGET + SIZE + 2);
});
