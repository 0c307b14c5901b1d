/** The SDK of OpenAI. */
import { declaredTools, defineAgent } from '@corral/guest';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

const openai = new OpenAI({ apiKey: 'none' });

export default defineAgent({
  name: 'openai',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const asked = { model: 'gpt-5', messages: [{ role: 'user' as const, content: QUESTIONS[what] }] };
    switch (what) {
      case 'stream': {
        let text = '';
        for await (const chunk of await openai.chat.completions.create({ ...asked, stream: true }))
          text += chunk.choices[0]?.delta.content ?? '';
        return text;
      }
      case 'tools': {
        const tools = declaredTools(caps).map(({ name, description, inputSchema, call }) => ({
          type: 'function' as const,
          function: { name, description, parameters: inputSchema, parse: JSON.parse, function: (args: object) => call(args) },
        }));
        return openai.chat.completions.runTools({ ...asked, tools: tools as never }).finalContent();
      }
      case 'abort':
        return failure(openai.chat.completions.create(asked, { signal: patience() }));
      case 'error':
        return failure(openai.chat.completions.create(asked));
      case 'structured': {
        const response_format = zodResponseFormat(z.object({ city: z.string() }), 'city');
        return (await openai.chat.completions.parse({ ...asked, response_format })).choices[0]?.message.parsed;
      }
      default:
        return (await openai.chat.completions.create(asked)).choices[0]?.message.content;
    }
  },
});
