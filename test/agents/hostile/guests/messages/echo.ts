/** Answers each of its own messages by another one. It gains a commit for each, for ever. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(message_depth)', 'exceeded(messages)', 'failed(CORRAL_BUDGET_EXCEEDED)'] };

export default defineAgent({
  name: 'echo',
  ceilings: { message_depth: 300 },
  budget: { messages: 2_000 },
  async run({ mailbox, messages }) {
    await mailbox.send(0);
    for await (const { body } of messages) await mailbox.send(body);
  },
});
