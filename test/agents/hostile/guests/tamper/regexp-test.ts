/** Replaces `RegExp.prototype.test` and catches a refused allocation. It gains a run that goes on where its replay would not. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)' };

export default defineAgent({
  name: 'regexp-test',
  ceilings: { wall_ms: 20_000 },
  run() {
    RegExp.prototype.test = () => false;
    RegExp.prototype.exec = () => null;
    try {
      new ArrayBuffer(2 ** 31);
    } catch {
      return 'caught';
    }
    return 'made';
  },
});
