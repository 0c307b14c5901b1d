/** Which model capability answers a request of an SDK, and how its answer is written. */
import type { ModelAnswer } from '@corral/guest';
import { atOnce } from '@corral/guest/ai';
import {
  failureOf,
  isOurs,
  modelCalled,
  modelIn,
  modelsIn,
  type CallOptions,
  type Held,
  type Ours,
  type PartStream,
  type Route,
} from '../route.ts';
import { messages } from './anthropic.ts';
import { Refused, type Fields } from './members.ts';
import { chat } from './openai-chat.ts';
import { responses } from './openai-responses.ts';
import { endOf, type Asked, type Failure, type Frame, type Part, type Wire } from './wire.ts';

const OPENAI: Readonly<Record<string, Wire>> = { '/chat/completions': chat, '/responses': responses };
const ANTHROPIC: Readonly<Record<string, Wire>> = { '/messages': messages };
const ORIGINS: Readonly<Record<string, Readonly<Record<string, Wire>>>> = {
  'https://models.corral.internal': { ...OPENAI, ...ANTHROPIC },
  'https://api.openai.com': OPENAI,
  'https://api.anthropic.com': ANTHROPIC,
};

/** @returns undefined if it is not the address of models, or the run holds none */
export function modelRoute({ origin, pathname }: URL, held: readonly Held[]): Route | undefined {
  const wires = Object.hasOwn(ORIGINS, origin) ? ORIGINS[origin] : undefined;
  const models = modelsIn(held);
  if (wires === undefined || models.length === 0) return undefined;
  const [, named, path = ''] = /^(?:\/([^/]+))?\/v1(\/.*)$/.exec(pathname) ?? [];
  const wire = Object.hasOwn(wires, path) ? wires[path] : undefined;
  if (wire === undefined)
    return async () =>
      jsonOf(
        {
          error: {
            message: `A model answers ${Object.keys(wires)
              .map((one) => `/v1${one}`)
              .join(', ')}, and not ${pathname}.`,
            type: 'invalid_request_error',
            param: null,
            code: 'not_found',
          },
        },
        404,
      );
  return async ({ method, body, options }) => {
    try {
      if (method !== 'POST') throw new Refused(`A model is asked by POST, not by ${method}.`);
      const fields = bodyOf(body);
      const asked = wire.read(fields);
      return await answered(wire, asked, modelOf(models, named, asked.model), fields, options);
    } catch (error) {
      if (error instanceof Refused) {
        const { message, param, details } = error;
        return refusalOf(wire, { status: 400, message, code: 'unsupported', param, details });
      }
      // With a status, because an SDK makes a request that fails again; the time of a call is that of the request’s own signal.
      if (!isOurs(error) || (error.name === 'TimedOut' && options.timeout_ms !== undefined)) throw error;
      return refusalOf(wire, { status: statusOf(error), message: error.message, code: error.code });
    }
  };
}

function bodyOf(text: string): Fields {
  try {
    return JSON.parse(text) as Fields;
  } catch {
    throw new Refused('The body of the request is not JSON.');
  }
}

/** @param named in the address; it has to be there, while a model that an SDK has to name is whatever the host’s configuration says */
function modelOf(models: readonly Held[], named: string | undefined, asked: string | undefined): Held {
  const found = named === undefined ? modelIn(models, asked) : modelCalled(models, named);
  if (found !== undefined) return found;
  const held = models.map(({ alias }) => alias).join(', ');
  throw new Refused(
    named === undefined
      ? `This run holds several models, so that the request has to name one of them as its model: ${held}.`
      : `This run holds no model ${named}; it holds ${held}.`,
    'model',
  );
}

let answers = 0;

async function answered(wire: Wire, { request, stream }: Asked, { tool }: Held, body: Fields, options: CallOptions): Promise<Response> {
  answers += 1;
  const n = answers;
  if (stream)
    try {
      return await streamed(wire, tool.stream(request, options), { n, body }, options);
    } catch (error) {
      // A tool that stands for a model may answer as a whole only.
      if (!isOurs(error) || error.code !== 'CORRAL_STREAM_UNSUPPORTED') throw error;
    }
  const answer = asHere((await tool(request, options)) as ModelAnswer);
  if (stream) return streamed(wire, atOnce(answer), { n, body }, options);
  return jsonOf(wire.answer(answer, { at: Date.now(), n, body }), 200);
}

/** An answer as these APIs have it: it says which model answered, and a structured one is one text, whatever else its provider said. */
function asHere(answer: ModelAnswer): ModelAnswer {
  const { content, maker, response, structuredOutputText: text } = answer;
  const words =
    text === undefined ? {} : { text, content: [...content.filter(({ type }) => type !== 'text'), { type: 'text' as const, text }] };
  return { ...answer, ...words, response: { modelId: maker.model, ...response } };
}

/** Before its first part a call may fail as any other does, so that the status waits for it. A part is read when its reader wants it. */
async function streamed(wire: Wire, parts: PartStream, frame: Omit<Frame, 'at'>, options: CallOptions): Promise<Response> {
  let first: IteratorResult<unknown, undefined> | undefined = await parts.next();
  const events = wire.events({ ...frame, at: Date.now() });
  const encoder = new TextEncoder();
  const lines = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          for (let text = ''; text === '';) {
            const { done, value } = first ?? (await parts.next());
            first = undefined;
            text = events.write(done === true ? endOf((await parts.result) as ModelAnswer) : (value as Part));
            if (text !== '') controller.enqueue(encoder.encode(text));
            if (done === true) return controller.close();
          }
        } catch (error) {
          throw failureOf(error, options);
        }
      },
      async cancel() {
        await parts.return();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(lines, { headers: { 'content-type': 'text/event-stream; charset=utf-8', ...OWN_RETRIES } });
}

/** The host has asked again as often as that is of use; SDKs do not. */
const OWN_RETRIES = { 'x-should-retry': 'false' };

const jsonOf = (value: object, status: number): Response =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...OWN_RETRIES } });

const refusalOf = (wire: Wire, failure: Failure): Response => jsonOf(wire.error(failure), failure.status);

/** The status for an error of a call. */
function statusOf(error: Ours): number {
  switch (error.name) {
    case 'InvalidArguments':
      return 400;
    case 'Denied':
    case 'ApprovalExpired':
    case 'Revoked':
      return 403;
    case 'BudgetExceeded':
      return 402;
    case 'ToolFailed':
      return error.retryable ? 503 : 400;
    case 'TimedOut':
      return 504;
    default:
      return error.code === 'CORRAL_EFFECT_TOO_LARGE' ? 413 : 500;
  }
}
