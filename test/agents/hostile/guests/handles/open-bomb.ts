/** Opens thousands of parts of one handle, each named by another spelling of its path. It gains seconds of the host’s loop in one crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(crank_members)',
  vary: { opens: [4_500, 9_900] },
};

export default defineAgent({
  name: 'open-bomb',
  uses: { read: 'tool:hostile.read' },
  ceilings: { in_flight: 4_096, crank_cpu_ms: 5_000 },
  async run({ input, caps, open }) {
    const { opens } = input as { opens: number };
    const whole = await caps.read.handle({ levels: 14, branches: 2 });
    const ends = await Promise.allSettled(
      Array.from({ length: opens }, (_, i) => {
        let part: { part: (name: string | number) => unknown } = whole as never;
        for (let level = 0; level < 13; level++) part = part.part((i >> level) & 1 ? '0' : 0) as never;
        return open(part as never);
      }),
    );
    return ends.length === opens;
  },
});
