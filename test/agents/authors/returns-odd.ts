import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

class Money {
  readonly micros = 5;
}
const VALUES: Readonly<Record<string, unknown>> = {
  map: new Map([['when', 'now']]),
  money: new Money(),
  plain: { when: { at: 1 } },
  'date within': { when: new Date(0) },
  'function within': { when: () => 'now' },
  'set within': { when: new Set(['now']) },
  'trap within': {
    when: new Proxy(
      {},
      {
        get() {
          throw new Error('no');
        },
      },
    ),
  },
};

export default defineAgent({
  name: 'returns-odd',
  purpose: 'returns what its schema does not take',
  input: z.object({ which: z.string() }),
  output: z.object({ when: z.string() }),
  run: ({ input }) => VALUES[input.which] as { when: string },
});
