/**
 * Collects objects of Intl that live outside of the heap that an isolate's limit counts, a hundred in each crank. It gains memory of
 * the machine that nobody has given it.
 */
import { defineAgent } from '@corral/guest';

const MADE: Readonly<Record<string, () => unknown>> = {
  segmenters: () => new Intl.Segmenter('th', { granularity: 'word' }).segment('abc')[Symbol.iterator](),
  'formatters of dates': () => new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'full' }),
};

export default defineAgent({
  name: 'a',
  async run({ input, sleep }) {
    const make = MADE[(input as { what: string }).what];
    if (make === undefined) throw new Error('nothing of that kind');
    const keep: unknown[] = [];
    for (;;) {
      for (let i = 0; i < 100; i++) keep.push(make());
      await sleep(0);
    }
  },
});
