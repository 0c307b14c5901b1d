/** The SDK of Anthropic. */
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { declaredTools, defineAgent } from '@corral/guest';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

const anthropic = new Anthropic({ apiKey: 'none' });
const textOf = ({ content }: { readonly content: readonly object[] }) =>
  content.map((block) => ('text' in block ? block.text : '')).join('');

export default defineAgent({
  name: 'anthropic',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const asked = { model: 'claude-sonnet-5', max_tokens: 100, messages: [{ role: 'user' as const, content: QUESTIONS[what] }] };
    switch (what) {
      case 'stream': {
        let text = '';
        await anthropic.messages
          .stream(asked)
          .on('text', (part) => (text += part))
          .finalMessage();
        return text;
      }
      case 'tools': {
        const tools = declaredTools(caps).map(({ name, description, inputSchema, call }) =>
          betaTool({ name, description, inputSchema: inputSchema as never, run: async (args) => JSON.stringify(await call(args)) }),
        );
        return textOf(await anthropic.beta.messages.toolRunner({ ...asked, tools }));
      }
      case 'abort':
        return failure(anthropic.messages.create(asked, { signal: patience() }));
      case 'error':
        return failure(anthropic.messages.create(asked));
      case 'structured': {
        const output_config = { format: zodOutputFormat(z.object({ city: z.string() })) };
        return (await anthropic.messages.parse({ ...asked, output_config })).parsed_output;
      }
      default:
        return textOf(await anthropic.messages.create(asked));
    }
  },
});
