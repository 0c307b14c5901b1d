/** The AI SDK, version 7. */
import { aiModel, aiTools, defineAgent } from '@corral/guest';
import { generateText, Output, streamText, ToolLoopAgent } from 'ai';
import { z } from 'zod';
import { CEILINGS, failure, patience, QUESTIONS, type Input } from './common.ts';

export default defineAgent({
  name: 'ai-sdk-7',
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  ceilings: CEILINGS,
  async run({ caps, input }) {
    const { what } = input as Input;
    const model = aiModel(caps.model);
    const prompt = QUESTIONS[what];
    switch (what) {
      case 'stream': {
        let text = '';
        for await (const part of streamText({ model, prompt }).textStream) text += part;
        return text;
      }
      case 'tools':
        return (await new ToolLoopAgent({ model, tools: aiTools(caps) }).generate({ prompt })).text;
      case 'abort':
        return failure(generateText({ model, prompt, abortSignal: patience() }));
      case 'error':
        return failure(generateText({ model, prompt }));
      case 'structured':
        return (await generateText({ model, prompt, output: Output.object({ schema: z.object({ city: z.string() }) }) })).output;
      default:
        return (await generateText({ model, prompt })).text;
    }
  },
});
