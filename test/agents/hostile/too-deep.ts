/**
 * Puts the effects of a later crank together by itself, one level deeper than values may be: in its output, in its state, or in the
 * messages that it says it has not read. It gains a value that its own host cannot read back.
 */
import { defineAgent } from '@corral/guest';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

const TEXTS: Readonly<Record<string, () => string>> = {
  output: () => `{"kind":"finish","output":${nested(65)}}`,
  checkpoint: () => `{"kind":"checkpoint","state":${nested(65)}}`,
  'unread messages': () => `{"kind":"checkpoint","state":0,"unread":[${nested(67)}]}`,
};

export default defineAgent({
  name: 'too-deep',
  async run({ input, sleep }) {
    await sleep(0);
    const text = TEXTS[(input as { text: string }).text]?.();
    if (text === undefined) throw new Error('no such text');
    Array.prototype.join = () => text;
    console.log('x');
    await new Promise(() => undefined);
  },
});
