/** Mastra's agent, with a model of the interface that it takes: that of version 6 of the AI SDK. */
import { aiModel, aiTools, defineAgent } from '@corral/guest';
import { Agent } from '@mastra/core/agent';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

export default defineAgent({
  name: 'mastra',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const model = aiModel(caps.model, { specification: 'v3' });
    const agent = new Agent({
      id: 'helper',
      name: 'helper',
      instructions: 'You help.',
      model,
      tools: what === 'tools' ? aiTools(caps) : {},
    });
    const question = QUESTIONS[what];
    switch (what) {
      case 'stream': {
        let text = '';
        for await (const part of (await agent.stream(question)).textStream) text += part;
        return text;
      }
      case 'abort': {
        // Mastra does not throw then; it says why the answer has ended.
        const { finishReason } = await agent.generate(question, { abortSignal: patience() });
        return String(finishReason);
      }
      case 'error':
        return failure(agent.generate(question));
      case 'structured':
        return (await agent.generate(question, { structuredOutput: { schema: z.object({ city: z.string() }) } })).object;
      default:
        return (await agent.generate(question)).text;
    }
  },
});
