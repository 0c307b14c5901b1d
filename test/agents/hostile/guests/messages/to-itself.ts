/** Writes messages to itself without end, and reads none. It gains a mailbox that grows for as long as it lives. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(messages)', 'failed(CORRAL_MAILBOX_FULL)', 'failed(CORRAL_BUDGET_EXCEEDED)'] };

export default defineAgent({
  name: 'to-itself',
  budget: { messages: 3_000 },
  ceilings: { in_flight: 1_000 },
  async run({ mailbox }) {
    for (let i = 0; ; i++) await Promise.all(Array.from({ length: 100 }, (_, k) => mailbox.send(i * 100 + k)));
  },
});
