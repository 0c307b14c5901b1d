/** Asks for parts of a handle until a refusal tells the size of each. It gains a secret letter by letter, without having read it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: true };

export default defineAgent({
  name: 'measure',
  uses: { read: 'tool:hostile.read' },
  budget: { bytes: 60_000 },
  async run({ caps, open }) {
    const whole = await caps.read.handle({ bytes: 50_000 });
    const said = await Promise.all(
      [0, 1, 'length'].map((name) =>
        open((whole as never as { part: (name: string | number) => never }).part(name)).then(
          () => '',
          (error: Error) => error.message,
        ),
      ),
    );
    return said.every((text) => !/\b5000\d\b|\b\d+ bytes/.test(text));
  },
});
