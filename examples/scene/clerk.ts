/**
 * scene/clerk: reads a mail and does what its model says. A visitor of `npm start` writes that mail. The same file runs on a host and, for
 * comparison, without one, so it keeps to what both have: a context with `input` and `caps`.
 */
import { defineAgent, type ModelMessage, type ModelPart, type ToolResultPart } from '@corral/guest';
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
    description: 'Pays from the account of the shop, in EUR. `to`: who gets it. `reference`: what it is for.',
    inputSchema: {
      type: 'object',
      properties: { to: { type: 'string' }, amount: { type: 'number' }, reference: { type: 'string' } },
      required: ['to', 'amount', 'reference'],
    },
  },
] as const;
const TURNS = 6;
const ORDERS = 'You are the clerk of a small shop. You read the mail that comes in and do what has to be done about it.';

type Called = Extract<ModelPart, { readonly type: 'tool-call' }>;

export default defineAgent({
  name: 'scene/clerk',
  purpose: 'Read the mail of a shop and say what it is about.',
  input: z.object({ task: z.string(), mail: z.int() }),
  output: z.string(),
  uses: { model: 'model:default', read: 'tool:mail.read', pay: 'tool:payments.send' },
  budget: { tokens: 50_000, money_micros: 10_000_000_000 },
  async run({ input, caps }) {
    const perform = async (name: string, wanted: string): Promise<string> => {
      if (name !== 'pay') return (await caps.read(JSON.parse(wanted) as { id: number })).text;
      const { payment } = await caps.pay(JSON.parse(wanted) as { to: string; amount: number; reference: string });
      return `paid, as number ${payment}`;
    };
    const prompt: ModelMessage[] = [
      { role: 'system', content: ORDERS },
      { role: 'user', content: [{ type: 'text', text: `${input.task} It is mail ${input.mail}.` }] },
    ];
    for (let turn = 0; turn < TURNS;) {
      let text = '';
      const calls: Called[] = [];
      try {
        for await (const part of caps.model.stream({ prompt, tools: TOOLS, maxOutputTokens: 1_000 })) {
          if (part.type === 'text-delta') text += part.delta;
          if (part.type === 'tool-call') calls.push(part);
        }
      } catch (error) {
        // The host died in the middle of the answer, of which nothing was done yet: the next host asks once more.
        if ((error as { code?: string }).code === 'CORRAL_STREAM_LOST') continue;
        throw error;
      }
      turn += 1;
      if (calls.length === 0) return text;
      prompt.push({ role: 'assistant', content: [...(text === '' ? [] : [{ type: 'text', text } as const]), ...calls] });
      const results: ToolResultPart[] = [];
      for (const { toolCallId, toolName, input: wanted } of calls) {
        const made = perform(toolName, wanted);
        // A refusal comes to the model as the result of its call, so that it can say so.
        const output = await made.then(
          (value) => ({ type: 'text', value }) as const,
          (error: Error) => ({ type: 'error-text', value: error.message }) as const,
        );
        results.push({ type: 'tool-result', toolCallId, toolName, output });
      }
      prompt.push({ role: 'tool', content: results });
    }
    throw new Error(`The model gave no answer in ${TURNS} turns.`);
  },
});
