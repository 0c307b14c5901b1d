/**
 * `fetch` in an isolate: what an agent's packages ask over HTTP is asked of a capability that the run holds. A model capability answers the
 * APIs of OpenAI and Anthropic, so that their SDKs run as they are; a capability `http:NAME` answers for its origins. Anything else is
 * refused: an isolate has no network.
 */
import type { TimeLeft } from './abort.ts';
import { askedByHttp, holderOf, overHttp } from './http.ts';
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
    const nobody = (at: URL) => refused(`Nothing that this run holds answers ${at.origin}: an agent has no network. ${answersOf(held)}`);
    // An origin that the configuration names is one of HTTP, whatever models answer.
    const route = holderOf(held, url.origin, request.method) === undefined ? modelRoute(url, held) : undefined;
    if (route === undefined && holderOf(held, url.origin, request.method) === undefined) throw nobody(url);
    const bytes = await bytesOf(request, reach.most_bytes, tooLarge);
    const timeout_ms = signal === undefined ? undefined : web().timeLeft(signal);
    const options = timeout_ms !== undefined ? { timeout_ms } : signal !== undefined ? { signal } : {};
    try {
      if (route === undefined) {
        const { method, headers, redirect } = request;
        return await askedByHttp(
          held,
          { url, method, headers, body: request.body === null ? undefined : bytes, redirect, options },
          nobody,
        );
      }
      const response = await route({ method: request.method, body: new TextDecoder().decode(bytes), options });
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
  const reached = overHttp(held).map(({ alias, reaches }) => `${alias} (${reaches?.origins.join(', ') ?? ''})`);
  const have = [
    ...(models.length === 0
      ? []
      : [`${models.join(', ')} (https://api.openai.com, https://api.anthropic.com, https://models.corral.internal)`]),
    ...reached,
  ];
  const holds = have.length === 0 ? '' : ` It holds ${have.join(', ')}.`;
  const model =
    models.length === 0
      ? `, and with \`uses: { model: 'model:default' }\` the model answers https://api.openai.com and https://api.anthropic.com`
      : '';
  return `With \`uses: { api: 'http:NAME' }\` the host answers for the origins of NAME in its configuration${model}.${holds}`;
}

/** The body, read no further than may leave. */
async function bytesOf(request: Request, most: number, tooLarge: () => Error): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (request.body !== null)
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > most) throw tooLarge();
      chunks.push(chunk);
    }
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}
