/** OpenAI's package as it is on npm, over the `fetch` of its isolate, which a model capability answers. */
import { defineAgent } from '@corral/guest';
import OpenAI, { APIError, APIUserAbortError } from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

/** As an author declares it; see docs/install.md. */
declare function fetch(url: string, init?: RequestInit): Promise<Response>;

const QUESTION = 'What is the weather in Rome?';
const City = z.object({ city: z.string() });
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const openai = new OpenAI({ apiKey: 'none' });

const inWords = (error: unknown) =>
  error instanceof APIError ? { status: error.status as number | undefined, code: error.code, message: error.message } : String(error);

export default defineAgent({
  name: 'openai',
  purpose: 'answers customers',
  ceilings: { crank_cpu_ms: 2000 },
  uses: { model: 'model:default', weather: 'tool:weather.get' },
  async run({ caps, input }) {
    const { what } = input as { readonly what: string };
    const say = (content: string) => ({ model: 'gpt-5', messages: [{ role: 'user' as const, content }] });
    switch (what) {
      case 'chat': {
        const { choices, usage, model } = await openai.chat.completions.create(say('hello'));
        return { text: choices[0]?.message.content, finish: choices[0]?.finish_reason, counted: (usage?.total_tokens ?? 0) > 0, model };
      }
      case 'stream': {
        let text = '';
        let counted = false;
        for await (const chunk of await openai.chat.completions.create({
          ...say('hello'),
          stream: true,
          stream_options: { include_usage: true },
        })) {
          text += chunk.choices[0]?.delta.content ?? '';
          counted ||= (chunk.usage?.total_tokens ?? 0) > 0;
        }
        return { text, counted };
      }
      case 'tools': {
        const runner = openai.chat.completions.runTools({
          ...say(QUESTION),
          tools: [
            {
              type: 'function',
              function: {
                name: 'look',
                description: 'the weather',
                parameters,
                parse: JSON.parse,
                function: (where: { city: string }) => caps.weather(where),
              },
            },
          ],
        });
        return { text: await runner.finalContent() };
      }
      case 'object': {
        const { choices } = await openai.chat.completions.parse({
          ...say('as JSON'),
          response_format: zodResponseFormat(City, 'city'),
        });
        return choices[0]?.message.parsed;
      }
      case 'responses': {
        const tool = { type: 'function' as const, name: 'look', description: 'the weather', parameters, strict: false };
        const conversation: OpenAI.Responses.ResponseInputItem[] = [{ role: 'user', content: QUESTION }];
        for (let turn = 1; ; turn++) {
          const { output, output_text, status } = await openai.responses.create({ model: 'gpt-5', input: conversation, tools: [tool] });
          const calls = output.filter((item) => item.type === 'function_call');
          if (calls.length === 0) return { text: output_text, turn, status };
          conversation.push(...(output as OpenAI.Responses.ResponseInputItem[]));
          for (const { call_id, arguments: text } of calls)
            conversation.push({
              type: 'function_call_output',
              call_id,
              output: JSON.stringify(await caps.weather(JSON.parse(text) as { city: string })),
            });
        }
      }
      case 'responses-stream': {
        const stream = openai.responses.stream({ model: 'gpt-5', input: 'hello', instructions: 'be short' });
        let text = '';
        for await (const event of stream) if (event.type === 'response.output_text.delta') text += event.delta;
        return { text, whole: (await stream.finalResponse()).output_text };
      }
      case 'by hand': {
        const answer = await fetch('https://api.openai.com/v1/responses', { method: 'POST', body: JSON.stringify({ input: 'hello' }) });
        const { status } = (await answer.json()) as { readonly status: string };
        return { ok: answer.ok, status };
      }
      case 'refused':
        return openai.chat.completions.create(say('fail')).then(() => 'answered', inWords);
      case 'busy':
        return openai.chat.completions.create(say('busy')).then(() => 'answered', inWords);
      case 'hosted':
        return openai.responses.create({ model: 'gpt-5', input: 'hello', tools: [{ type: 'web_search' }] }).then(() => 'answered', inWords);
      case 'elsewhere':
        return new OpenAI({ apiKey: 'none', baseURL: 'https://example.com/v1', maxRetries: 0 }).chat.completions.create(say('hello')).then(
          () => 'answered',
          (error: Error) => String((error.cause as Error | undefined)?.cause),
        );
      default: {
        const controller = new AbortController();
        const asked = openai.chat.completions.create(say('slow'), { signal: controller.signal });
        controller.abort();
        return asked.then(
          () => 'answered',
          (error: unknown) => (error instanceof APIUserAbortError ? 'aborted' : String(error)),
        );
      }
    }
  },
});
