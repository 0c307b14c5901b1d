/**
 * purchasing/support: answers a question about the mail with a model that has two tools. Models do what a mail tells them; the bus has to hold
 * although this one does.
 */
import { defineAgent, type ModelMessage, type ToolResultPart } from '@corral/guest';
import * as z from 'zod/mini';

const TOOLS = [
  {
    type: 'function',
    name: 'read_mail',
    description: 'The text of a mail.',
    inputSchema: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] },
  },
  {
    type: 'function',
    name: 'pay',
    description: 'Pays, in EUR.',
    inputSchema: { type: 'object', properties: { to: { type: 'string' }, amount: { type: 'number' } }, required: ['to', 'amount'] },
  },
] as const;
const TURNS = 8;

export default defineAgent({
  name: 'purchasing/support',
  purpose: 'Answer questions about the mail of suppliers.',
  input: z.object({ question: z.string(), reference: z.string() }),
  uses: { model: 'model:default', read: 'tool:mail.read', pay: 'tool:payments.send' },
  budget: { tokens: 50_000, money_micros: 2_000_000_000 },
  async run({ input, caps }) {
    const perform = (name: string, wanted: unknown): Promise<unknown> =>
      name === 'pay'
        ? caps.pay({ ...(wanted as { to: string; amount: number }), reference: input.reference })
        : caps.read(wanted as { id: number });
    const prompt: ModelMessage[] = [{ role: 'user', content: [{ type: 'text', text: input.question }] }];
    for (let turn = 0; turn < TURNS; turn++) {
      const { content, text } = await caps.model({ prompt, tools: TOOLS, maxOutputTokens: 1_000 });
      const calls = content.filter((part) => part.type === 'tool-call');
      if (calls.length === 0) return text;
      prompt.push({ role: 'assistant', content });
      const results: ToolResultPart[] = [];
      for (const { toolCallId, toolName, input: wanted } of calls) {
        // A refusal comes to the model as the result of its call, so that it can say so.
        const output = await perform(toolName, JSON.parse(wanted)).then(
          (value) => ({ type: 'json', value }) as const,
          (error: Error) => ({ type: 'error-text', value: error.message }) as const,
        );
        results.push({ type: 'tool-result', toolCallId, toolName, output });
      }
      prompt.push({ role: 'tool', content: results });
    }
    throw new Error(`The model gave no answer in ${TURNS} turns.`);
  },
});
