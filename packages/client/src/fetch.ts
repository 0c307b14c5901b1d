/** The connection of a client by the platform's `fetch`. */
import type { Transport } from '@corral/protocol/api/client';
import { CorralError } from '@corral/protocol/errors';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export function transportByFetch(base: string, fetch: Fetch): Transport {
  return async ({ method, path, headers, body, signal }) => {
    const response = await fetch(new URL(path, base).href, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    }).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      throw new CorralError('CORRAL_UNREACHABLE', `No Corral answers on ${base}.`, { cause: error });
    });
    return { status: response.status, text: () => response.text(), lines: () => linesOf(response, signal) };
  };
}

/** The lines of an answer as they arrive, until either side closes it. */
async function* linesOf({ body }: Response, signal: AbortSignal | undefined): AsyncGenerator<string> {
  if (body === null) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = `${rest}${decoder.decode(value, { stream: true })}`.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    // The caller has heard enough, or the host went away: both end the stream.
    if (signal?.aborted !== true && !(error instanceof TypeError)) throw error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
