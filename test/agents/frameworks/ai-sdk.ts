/** The AI SDK as it is on npm: text, a loop of tools, an agent, a stream and a structured answer, by a model capability. */
import { createOpenAI } from '@ai-sdk/openai';
import { aiModel, aiProvider, CorralError, defineAgent } from '@corral/guest';
import { generateText, Output, stepCountIs, streamText, tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';

type Model = Parameters<typeof generateText>[0]['model'];

export default defineAgent({
  name: 'support',
  purpose: 'answers customers',
  ceilings: { crank_cpu_ms: 2000 },
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  async run({ caps, input }) {
    const { what } = input as { readonly what: string };
    const model = aiModel(caps.model) as unknown as Model;
    const look = tool({ description: 'the weather', inputSchema: z.object({ city: z.string() }), execute: (where) => caps.weather(where) });
    const loop = { model, tools: { look }, stopWhen: stepCountIs(5) };
    switch (what) {
      case 'generate': {
        const { text, steps, totalUsage } = await generateText({ ...loop, prompt: 'What is the weather in Rome?' });
        return { text, steps: steps.length, tokens: totalUsage.totalTokens };
      }
      case 'stream': {
        const { textStream, finishReason } = streamText({ ...loop, prompt: 'What is the weather in Rome?' });
        let text = '';
        for await (const part of textStream) text += part;
        return { text, finish: await finishReason };
      }
      case 'agent':
        return { text: (await new ToolLoopAgent(loop).generate({ prompt: 'What is the weather in Rome?' })).text };
      case 'object': {
        const { output } = await generateText({
          model,
          output: Output.object({ schema: z.object({ city: z.string() }) }),
          prompt: 'as JSON',
        });
        return output;
      }
      case 'named': {
        (globalThis as { AI_SDK_DEFAULT_PROVIDER?: unknown }).AI_SDK_DEFAULT_PROVIDER = aiProvider(caps.model);
        return { text: (await generateText({ model: 'openai/gpt-5', prompt: 'hello' })).text };
      }
      case 'provider': {
        const openai = createOpenAI({ apiKey: 'none', baseURL: 'https://models.corral.internal/v1' });
        const { text, steps } = await generateText({ ...loop, model: openai('gpt-5'), prompt: 'What is the weather in Rome?' });
        const { textStream } = streamText({ model: openai.chat('gpt-5'), prompt: 'hello' });
        let streamed = '';
        for await (const part of textStream) streamed += part;
        return { text, steps: steps.length, streamed };
      }
      case 'refused':
        return generateText({ model, prompt: 'fail' }).then(
          () => 'answered',
          (error: unknown) => (error instanceof CorralError ? error.code : String(error)),
        );
      default: {
        const controller = new AbortController();
        const asked = generateText({ model, prompt: 'slow', abortSignal: controller.signal });
        controller.abort();
        return asked.then(
          () => 'answered',
          (error: unknown) => (error as Error).name,
        );
      }
    }
  },
});
