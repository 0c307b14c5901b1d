/** Asks its model over HTTP, as SDKs do: each of the bodies of its input, with all that a client may try besides; says what came of each. */
import { defineAgent } from '@corral/guest';

interface Input {
  readonly bodies: readonly object[];
  readonly url?: string;
}
type Fetch = (url: string, init: object) => Promise<{ readonly status: number; json(): Promise<unknown> }>;

export default defineAgent({
  name: 'fetches',
  purpose: 'asks a model by HTTP',
  uses: { model: 'model:default' },
  async run({ input }) {
    const { bodies, url = 'https://api.openai.com/v1/chat/completions' } = input as Input;
    const { fetch } = globalThis as unknown as { readonly fetch: Fetch };
    const headers = {
      authorization: 'Bearer sk-guest',
      host: 'evil.example',
      'openai-organization': 'other',
      'x-forwarded-for': '127.0.0.1',
    };
    return Promise.all(
      bodies.map(async (body) => {
        const response = await fetch(`${url}?key=sk-guest`, { method: 'POST', headers, body: JSON.stringify(body) });
        return { status: response.status, body: await response.json() };
      }),
    );
  },
});
