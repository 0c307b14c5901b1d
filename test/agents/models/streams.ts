/** Asks its model for streams, by its capability and over HTTP as SDKs do; says what came of each. */
import { CorralError, defineAgent } from '@corral/guest';

type Fetch = (url: string, init: object) => Promise<{ text(): Promise<string> }>;

export default defineAgent({
  name: 'streams',
  purpose: 'asks a model for streams',
  uses: { model: 'model:default' },
  async run({ caps, input }) {
    const { prompts } = input as { readonly prompts: readonly string[] };
    const { fetch } = globalThis as unknown as { readonly fetch: Fetch };
    return Promise.all(
      prompts.map(async (prompt) => {
        const body = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: prompt }] });
        const fetched = await fetch('https://api.openai.com/v1/chat/completions', { method: 'POST', body });
        const stream = caps.model.stream({ prompt });
        let direct = '';
        try {
          for await (const part of stream) if (part.type === 'text-delta') direct += part.delta;
        } catch (error) {
          direct += error instanceof CorralError ? error.code : String(error);
        }
        return { direct, fetched: await fetched.text() };
      }),
    );
  },
});
