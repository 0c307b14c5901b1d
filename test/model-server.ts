/** A server with OpenAI's API on loopback, for tests: it answers as it was told, counts tokens, and notes what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface Asked {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: {
    readonly model: string;
    readonly messages: readonly { role: string; content: unknown }[];
    readonly max_tokens?: number;
  } & Record<string, unknown>;
}

/** A text, calls of functions, a status, or a connection that breaks before the answer (`cut`). */
type Reply =
  | string
  | { readonly calls: readonly { readonly name: string; readonly arguments: string }[] }
  | { readonly status: number; readonly message?: string; readonly location?: string }
  | { readonly cut: true };

export interface ModelServer {
  /** `http://127.0.0.1:…/v1` */
  readonly url: string;
  readonly asked: Asked[];
  /** Requests whose connection was closed from the other side before they had their answer. */
  readonly given_up: Asked[];
}

export interface Says {
  /** @param n how many requests there were before this one */
  readonly reply: (asked: Asked, n: number) => Reply | Promise<Reply>;
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly cached_tokens?: number };
}

export async function modelServer({ reply, usage = { prompt_tokens: 100, completion_tokens: 20 } }: Says): Promise<ModelServer> {
  const asked: Asked[] = [];
  const given_up: Asked[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
    const key = request.headers.authorization?.replace('Bearer ', '');
    const one: Asked = { path: request.url ?? '', key, body: JSON.parse(text) as Asked['body'] };
    const closed = () => !response.writableEnded && given_up.push(one);
    response.once('close', closed);
    const said = await reply(one, asked.push(one) - 1);
    if (typeof said === 'object' && 'cut' in said) {
      response.off('close', closed);
      return void request.socket.destroy();
    }
    response.setHeader('content-type', 'application/json');
    if (typeof said === 'object' && 'status' in said) {
      response.statusCode = said.status;
      if (said.location !== undefined) response.setHeader('location', said.location);
      return void response.end(JSON.stringify({ error: { message: said.message ?? 'no' } }));
    }
    const calls = typeof said === 'string' ? undefined : said.calls.map((call, i) => ({ id: `c${i}`, type: 'function', function: call }));
    const message = {
      role: 'assistant',
      content: typeof said === 'string' ? said : null,
      ...(calls === undefined ? {} : { tool_calls: calls }),
    };
    const { cached_tokens = 0, ...counts } = usage;
    response.end(
      JSON.stringify({
        id: `chat-${asked.length}`,
        created: 1_800_000_000,
        model: one.body.model,
        system_fingerprint: 'fp_1',
        choices: [{ index: 0, message, finish_reason: calls === undefined ? 'stop' : 'tool_calls' }],
        usage: { ...counts, total_tokens: counts.prompt_tokens + counts.completion_tokens, prompt_tokens_details: { cached_tokens } },
      }),
    );
  };
  const server = createServer(
    (request, response) => void answer(request, response).catch((error: unknown) => response.destroy(error as Error)),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked, given_up };
}
