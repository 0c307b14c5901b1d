/** LangChain's `createAgent`, with its own model of OpenAI. */
import { defineAgent, langchainTools } from '@corral/guest';
import { ChatOpenAI } from '@langchain/openai';
import { createAgent, providerStrategy, tool } from 'langchain';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

const model = new ChatOpenAI({ model: 'gpt-5', apiKey: 'none' });

export default defineAgent({
  name: 'langchain',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const agent = createAgent({ model, tools: what === 'tools' ? langchainTools(caps, tool) : [] });
    const asked = { messages: [{ role: 'user' as const, content: QUESTIONS[what] }] };
    switch (what) {
      case 'stream': {
        let text = '';
        for await (const [chunk] of await agent.stream(asked, { streamMode: 'messages' })) text += chunk.text;
        return text;
      }
      case 'abort':
        return failure(agent.invoke(asked, { signal: patience() }));
      case 'error':
        return failure(agent.invoke(asked));
      case 'structured': {
        const strict = createAgent({ model, tools: [], responseFormat: providerStrategy(z.object({ city: z.string() })) });
        return (await strict.invoke(asked)).structuredResponse;
      }
      default:
        return (await agent.invoke(asked)).messages.at(-1)?.text;
    }
  },
});
