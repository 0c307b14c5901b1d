/** A server with OpenAI's API on loopback: it answers as it was told, as a whole or as a stream, counts tokens, and notes what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Asked {
  readonly path: string;
  readonly key: string | undefined;
  readonly body: {
    readonly model: string;
    readonly messages: readonly { role: string; content: unknown }[];
    readonly max_tokens?: number;
    readonly stream?: boolean;
    readonly stream_options?: { readonly include_usage?: boolean };
  } & Record<string, unknown>;
}

interface Call {
  readonly name: string;
  readonly arguments: string;
}

/** A text in pieces, and then the end of the answer, unless the stream goes otherwise. */
interface Pieces {
  readonly pieces: readonly string[] | AsyncIterable<string>;
  /** `cut`: the connection breaks. `error`: an error as an event of the stream. `short`: it ends without a reason and without counts. */
  readonly then?: 'cut' | 'error' | 'short';
}

/** A text, calls of functions, a status, or a connection that breaks before the answer (`cut`). */
type Reply =
  | string
  | Pieces
  | { readonly calls: readonly Call[] }
  | { readonly status: number; readonly message?: string; readonly location?: string }
  | { readonly cut: true };

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens?: number;
}

export interface OpenAiServer {
  /** `http://127.0.0.1:…/v1` */
  readonly url: string;
  readonly asked: Asked[];
  /** Requests whose connection was closed from the other side before they had their answer. */
  readonly given_up: Asked[];
  close(): void;
}

export interface Says {
  /** @param n how many requests there were before this one */
  readonly reply: (asked: Asked, n: number) => Reply | Promise<Reply>;
  /** Null: it counts nothing. */
  readonly usage?: Usage | null;
}

type Message = Readonly<Record<string, unknown>>;

export async function openAiServer({ reply, usage = { prompt_tokens: 100, completion_tokens: 20 } }: Says): Promise<OpenAiServer> {
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
    if (typeof said === 'object' && 'status' in said) {
      response.statusCode = said.status;
      if (said.location !== undefined) response.setHeader('location', said.location);
      return void response.setHeader('content-type', 'application/json').end(JSON.stringify({ error: { message: said.message ?? 'no' } }));
    }
    const about = { id: `chat-${asked.length}`, created: 1_800_000_000, model: one.body.model, system_fingerprint: 'fp_1' };
    if (one.body.stream === true) {
      await streamed(response, said, about, one.body.stream_options?.include_usage === true ? usage : null, () => {
        response.off('close', closed);
        request.socket.destroy();
      });
    } else {
      const finish_reason = typeof said === 'object' && 'calls' in said ? 'tool_calls' : 'stop';
      const choices = [{ index: 0, message: await messageOf(said), finish_reason }];
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ ...about, choices, ...countsOf(usage) }));
    }
  };
  const server = createServer(
    (request, response) => void answer(request, response).catch((error: unknown) => response.destroy(error as Error)),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked, given_up, close };
}

const isCalls = (said: object): said is { readonly calls: readonly Call[] } => 'calls' in said;

async function messageOf(said: string | Pieces | { readonly calls: readonly Call[] }): Promise<Message> {
  if (typeof said === 'string') return { role: 'assistant', content: said };
  if (!isCalls(said)) {
    let content = '';
    for await (const piece of said.pieces) content += piece;
    return { role: 'assistant', content };
  }
  const tool_calls = said.calls.map((call, i) => ({ id: `c${i}`, type: 'function', function: call }));
  return { role: 'assistant', content: null, tool_calls };
}

function countsOf(usage: Usage | null): object {
  if (usage === null) return {};
  const { cached_tokens = 0, ...counts } = usage;
  return {
    usage: { ...counts, total_tokens: counts.prompt_tokens + counts.completion_tokens, prompt_tokens_details: { cached_tokens } },
  };
}

/** Server-sent events, as the API has them: words as they come, functions in two pieces, then why it ended, then the counts. */
async function streamed(
  response: ServerResponse,
  said: string | Pieces | { readonly calls: readonly Call[] },
  about: object,
  usage: Usage | null,
  cut: () => void,
): Promise<void> {
  response.setHeader('content-type', 'text/event-stream');
  response.flushHeaders();
  const send = async (event: object) => {
    const took = response.write(`data: ${JSON.stringify(event)}\n\n`);
    if (!took && !response.destroyed) await new Promise((resolve) => void response.once('drain', resolve).once('close', resolve));
  };
  const say = (delta: object, finish_reason: string | null = null) =>
    send({ ...about, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
  const isCalling = typeof said === 'object' && isCalls(said);
  if (isCalling)
    for (const [index, { name, arguments: all }] of said.calls.entries()) {
      await say({ tool_calls: [{ index, id: `c${index}`, type: 'function', function: { name, arguments: '' } }] });
      await say({ tool_calls: [{ index, function: { arguments: all } }] });
    }
  else
    for await (const content of typeof said === 'string' ? (said.match(/\s*\S+/g) ?? []) : said.pieces) {
      if (response.destroyed) return;
      await say({ role: 'assistant', content });
    }
  const then = typeof said === 'object' && 'then' in said ? said.then : undefined;
  if (then === 'cut') return cut();
  if (then === 'error') await send({ error: { message: 'the server is on fire', type: 'server_error' } });
  if (then === undefined) {
    await say({}, isCalling ? 'tool_calls' : 'stop');
    if (usage !== null) await send({ ...about, choices: [], ...countsOf(usage) });
  }
  response.end('data: [DONE]\n\n');
}
