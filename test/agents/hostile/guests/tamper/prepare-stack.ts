/** Replaces `Error.prepareStackTrace` and asks each frame for its function and its `this`. It gains objects of the prelude, and through them the host’s functions. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: [] };

interface Site {
  getFunction(): unknown;
  getThis(): unknown;
  getFileName(): unknown;
}

export default defineAgent({
  name: 'prepare-stack',
  ceilings: { wall_ms: 20_000 },
  async run({ sleep }) {
    const seen: string[] = [];
    const errors = Error as unknown as { prepareStackTrace: (error: unknown, sites: readonly Site[]) => string };
    errors.prepareStackTrace = (_, sites) => {
      for (const site of sites) {
        const [of, self] = [site.getFunction(), site.getThis()];
        if (of !== undefined && String(site.getFileName()).includes('prelude')) seen.push('function');
        if (self !== undefined && self !== globalThis && String(site.getFileName()).includes('prelude')) seen.push('this');
      }
      return '';
    };
    const look = () => void new Error('x').stack;
    queueMicrotask(look);
    look();
    await sleep(1);
    look();
    return seen;
  },
});
