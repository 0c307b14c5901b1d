/** Makes the requests of its input by fetch, one after the other, and says what came of each; some it makes of capabilities directly. */
import { defineAgent } from '@corral/guest';

interface Answer {
  readonly status: number;
  readonly url: string;
  readonly redirected: boolean;
  readonly headers: Iterable<[string, string]>;
  text(): Promise<string>;
}
type Fetch = (url: string, init?: object) => Promise<Answer>;
interface Failed extends Error {
  readonly code?: string;
  readonly cause?: { readonly code?: string; readonly message: string };
}
interface Input {
  readonly requests: readonly { readonly url?: string; readonly init?: object; readonly direct?: object; readonly narrowed?: object }[];
}

export default defineAgent({
  name: 'fetches',
  purpose: 'asks by HTTP',
  uses: { crm: 'http:crm', wide: 'http:wide' },
  async run({ input, caps }) {
    const { fetch } = globalThis as unknown as { readonly fetch: Fetch };
    const said: unknown[] = [];
    for (const { url, init, direct } of (input as Input).requests)
      try {
        if (url === undefined) {
          said.push(await caps.crm(direct as never));
          continue;
        }
        const answer = await fetch(url, init);
        said.push({
          status: answer.status,
          url: answer.url,
          redirected: answer.redirected,
          headers: Object.fromEntries(answer.headers),
          text: await answer.text(),
        });
      } catch (error) {
        const { name, code, message, cause } = error as Failed;
        said.push({ failed: name, code: cause?.code ?? code, message: cause?.message ?? message });
      }
    return said;
  },
});
