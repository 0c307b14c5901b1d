/** Anthropic's package as it is on npm, over the `fetch` of its isolate, which a model capability answers. */
import Anthropic, { APIError, APIUserAbortError } from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { defineAgent } from '@corral/guest';
import { z } from 'zod';

const QUESTION = 'What is the weather in Rome?';
const anthropic = new Anthropic({ apiKey: 'none' });

const inWords = (error: unknown) =>
  error instanceof APIError ? { status: error.status as number | undefined, message: error.message } : String(error);

export default defineAgent({
  name: 'anthropic',
  purpose: 'answers customers',
  ceilings: { crank_cpu_ms: 2000 },
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  async run({ caps, input }) {
    const { what } = input as { readonly what: string };
    const say = (content: string) => ({ model: 'claude-sonnet-5', max_tokens: 200, messages: [{ role: 'user' as const, content }] });
    const textOf = ({ content }: { readonly content: readonly { readonly type: string }[] }) =>
      content.map((block) => (block.type === 'text' ? (block as unknown as { readonly text: string }).text : '')).join('');
    switch (what) {
      case 'message': {
        const message = await anthropic.messages.create({ ...say('hello'), system: 'be short' });
        return { text: textOf(message), stop: message.stop_reason, counted: message.usage.input_tokens > 0 };
      }
      case 'stream': {
        const stream = anthropic.messages.stream(say('hello'));
        let text = '';
        stream.on('text', (delta) => (text += delta));
        const message = await stream.finalMessage();
        return { text, whole: textOf(message), counted: message.usage.output_tokens > 0 };
      }
      case 'tools': {
        const runner = anthropic.beta.messages.toolRunner({
          ...say(QUESTION),
          tools: [
            betaZodTool({
              name: 'look',
              description: 'the weather',
              inputSchema: z.object({ city: z.string() }),
              run: async (where) => JSON.stringify(await caps.weather(where)),
            }),
          ],
        });
        return { text: textOf(await runner) };
      }
      case 'stream-tools': {
        const message = await anthropic.messages
          .stream({
            ...say(QUESTION),
            tools: [{ name: 'look', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }],
          })
          .finalMessage();
        return { stop: message.stop_reason, content: message.content };
      }
      case 'refused':
        return anthropic.messages.create(say('fail')).then(() => 'answered', inWords);
      case 'hosted':
        return anthropic.messages
          .create({ ...say('hello'), tools: [{ type: 'web_search_20250305', name: 'web_search' }] })
          .then(() => 'answered', inWords);
      default: {
        const controller = new AbortController();
        const asked = anthropic.messages.create(say('slow'), { signal: controller.signal });
        controller.abort();
        return asked.then(
          () => 'answered',
          (error: unknown) => (error instanceof APIUserAbortError ? 'aborted' : String(error)),
        );
      }
    }
  },
});
