/**
 * `fetch` in an isolate: what an agent's packages ask over HTTP is asked of a capability that the run holds. A model capability answers the
 * APIs of OpenAI and Anthropic, so that their SDKs run as they are. Anything else is refused: an isolate has no network.
 */
import type { TimeLeft } from './abort.ts';
import { failed, failureOf, modelsIn, type Held, type Reach } from './route.ts';
import { modelRoute } from './wires/models.ts';

interface Needs {
  readonly reach: Reach;
  /** Loads the part with signals. */
  readonly web: () => { readonly timeLeft: TimeLeft };
}

export default function make({ reach, web }: Needs): Record<string, unknown> {
  const refused = (message: string) => failed(reach.error('CORRAL_CAP_NOT_GRANTED', message));
  const tooLarge = () => failed(reach.error('CORRAL_EFFECT_TOO_LARGE', `The body of the request has more than ${reach.most_bytes} bytes.`));
  const fetch = async (...given: [input: string | URL | Request, init?: RequestInit]): Promise<Response> => {
    const [input, init = {}] = given;
    const signal = (init.signal === undefined && input instanceof Request ? input.signal : init.signal) ?? undefined;
    // The signal stays here: a listener would begin the timer that `timeLeft` saves.
    const request = new Request(input, { ...init, signal: null });
    if (signal?.aborted === true) throw signal.reason;
    const url = new URL(request.url);
    const { held } = reach;
    if (held === undefined) throw refused('There is no fetch before the agent’s run function is called, which brings its capabilities.');
    const route = modelRoute(url, held);
    if (route === undefined)
      throw refused(`Nothing that this run holds answers ${url.origin}: an agent has no network. ${answersOf(held)}`);
    const body = await textOf(request, reach.most_bytes, tooLarge);
    const timeout_ms = signal === undefined ? undefined : web().timeLeft(signal);
    const options = timeout_ms !== undefined ? { timeout_ms } : signal !== undefined ? { signal } : {};
    try {
      const response = await route({ method: request.method, body, options });
      Object.defineProperty(response, 'url', { value: url.href });
      return response;
    } catch (error) {
      throw failureOf(error, options);
    }
  };
  return { fetch };
}

function answersOf(held: readonly Held[]): string {
  const models = modelsIn(held).map(({ alias }) => alias);
  return models.length === 0
    ? `With \`uses: { model: 'model:default' }\` the model answers https://api.openai.com and https://api.anthropic.com.`
    : `It holds ${models.join(', ')}, which answer https://api.openai.com, https://api.anthropic.com and https://models.corral.internal.`;
}

/** The body as text, read no further than may leave. */
async function textOf(request: Request, most: number, tooLarge: () => Error): Promise<string> {
  if (request.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > most) throw tooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
