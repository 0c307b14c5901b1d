/** Names the part of a handle by another spelling of its place. It gains text whose origin no policy sees. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: true };

export default defineAgent({
  name: 'spelling',
  uses: { read: 'tool:hostile.read' },
  async run({ caps, open }) {
    const whole = await caps.read.handle({ levels: 2, branches: 2 });
    // The host takes the text of an index for the index itself, and knows both as one place.
    const right = await Promise.all(
      [0, '0'].map((name) =>
        open(whole.part(name)).then(
          () => true,
          () => false,
        ),
      ),
    );
    const refused = await Promise.all(
      ['00', '+0', '-0', ' 0', '0x0', '1e0'].map((name) =>
        open(whole.part(name)).then(
          () => false,
          () => true,
        ),
      ),
    );
    return [...right, ...refused].every(Boolean);
  },
});
