/** Narrows a capability sixty times to folders of a thousand steps and calls it a thousand times with a path that the last of them refuses. It gains time of the host’s checks, for calls that cost it nothing. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'exceeded(decide)'], vary: { calls: [300, 1_000] } };

export default defineAgent({
  name: 'under-bomb',
  uses: { read: 'tool:fs.read' },
  ceilings: { in_flight: 2_000, crank_cpu_ms: 2_000 },
  async run({ input, mailbox, messages, caps }) {
    const { calls } = input as { calls: number };
    let held: typeof caps.read = caps.read;
    const step = 'a/';
    for (let i = 0; i < 59; i++) {
      await mailbox.send(i, { caps: { held: held.attenuate({ where: { path: { under: step.repeat(i === 58 ? 500 : 400) } } }) } });
      held = (await messages.next()).caps['held'];
    }
    const path = step.repeat(2_000);
    const ends = await Promise.allSettled(Array.from({ length: calls }, (_, i) => held({ path: `${path}${i}` })));
    return ends.length === calls;
  },
});
