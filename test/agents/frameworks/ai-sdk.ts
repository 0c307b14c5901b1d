/** The AI SDK as it is on npm: text, a loop of tools, agents, streams and structured answers, by a model capability. */
import { createOpenAI } from '@ai-sdk/openai';
import { aiModel, aiTools, CorralError, defineAgent } from '@corral/guest';
import { generateText, Output, stepCountIs, streamText, tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';

const City = z.object({ city: z.string() });
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
      case 'own tools': {
        const { text } = await generateText({ ...loop, tools: aiTools(caps), prompt: 'How warm is it in Rome?' });
        return { text };
      }
      case 'stream': {
        const { textStream, finishReason } = streamText({ ...loop, prompt: 'What is the weather in Rome?' });
        let text = '';
        for await (const part of textStream) text += part;
        return { text, finish: await finishReason };
      }
      case 'agent':
        return { text: (await new ToolLoopAgent(loop).generate({ prompt: 'What is the weather in Rome?' })).text };
      case 'agent stream': {
        const { fullStream } = await new ToolLoopAgent(loop).stream({ prompt: 'What is the weather in Rome?' });
        const kinds = new Set<string>();
        let text = '';
        for await (const part of fullStream) {
          kinds.add(part.type);
          if (part.type === 'text-delta') text += part.text;
        }
        return { text, kinds: [...kinds] };
      }
      case 'object stream': {
        const { partialOutputStream, output } = streamText({ model, output: Output.object({ schema: City }), prompt: 'as JSON' });
        let partial = 0;
        for await (const _ of partialOutputStream) partial += 1;
        return { ...(await output), partial: partial > 0 };
      }
      case 'broken stream': {
        const errors: string[] = [];
        const onError = ({ error }: { error: unknown }) => void errors.push(error instanceof CorralError ? error.code : String(error));
        let text = '';
        for await (const part of streamText({ model, prompt: 'break', onError }).textStream) text += part;
        return { text, errors };
      }
      case 'aborted stream': {
        const controller = new AbortController();
        const kinds: string[] = [];
        for await (const part of streamText({ model, prompt: 'pace', abortSignal: controller.signal }).fullStream) {
          if (part.type === 'text-delta') controller.abort();
          kinds.push(part.type);
        }
        return { last: kinds.at(-1) };
      }
      case 'object': {
        const { output } = await generateText({
          model,
          output: Output.object({ schema: City }),
          prompt: 'as JSON',
        });
        return output;
      }
      case 'named':
        return { text: (await generateText({ model: 'openai/gpt-5', prompt: 'hello' })).text };
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
