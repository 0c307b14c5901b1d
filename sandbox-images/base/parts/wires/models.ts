/** Which model capability answers a request of an SDK, and how its answer is written. */
import type { ModelAnswer, ModelRequest } from '@corral/guest';
import { isOurs, type CallOptions, type Ours, type Held, type Route } from '../route.ts';
import { messages } from './anthropic.ts';
import { Refused, type Fields } from './members.ts';
import { chat } from './openai-chat.ts';
import { responses } from './openai-responses.ts';
import { partsOf, type Asked, type Failure, type Frame, type Wire } from './wire.ts';

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
  const models = held.filter(({ name }) => name.startsWith('model:'));
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
        return failureOf(wire, { status: 400, message, code: 'unsupported', param, details });
      }
      // With a status, because an SDK makes a request that fails again; the time of a call is that of the request’s own signal.
      if (!isOurs(error) || (error.name === 'TimedOut' && options.timeout_ms !== undefined)) throw error;
      return failureOf(wire, { status: statusOf(error), message: error.message, code: error.code });
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
  const called = (name: string) => models.find((one) => one.alias === name || one.name === `model:${name}`);
  const found =
    named !== undefined
      ? called(named)
      : ((asked === undefined ? undefined : called(asked)) ?? (models.length === 1 ? models[0] : undefined));
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
  const answer = (await tool(request satisfies ModelRequest, options)) as ModelAnswer;
  answers += 1;
  const frame: Frame = { at: Date.now(), n: answers, body };
  if (!stream) return jsonOf(wire.answer(answer, frame), 200);
  const events = wire.events(frame);
  const encoder = new TextEncoder();
  const text = partsOf(answer).map((part) => events.write(part));
  const lines = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const one of text) if (one !== '') controller.enqueue(encoder.encode(one));
      controller.close();
    },
  });
  return new Response(lines, { headers: { 'content-type': 'text/event-stream; charset=utf-8', ...OWN_RETRIES } });
}

/** The host has asked again as often as that is of use; SDKs do not. */
const OWN_RETRIES = { 'x-should-retry': 'false' };

const jsonOf = (value: object, status: number): Response =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...OWN_RETRIES } });

const failureOf = (wire: Wire, failure: Failure): Response => jsonOf(wire.error(failure), failure.status);

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
