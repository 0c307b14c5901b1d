/** A capability `http:NAME`: requests to the origins of a configuration, behind the Tool port. */
import * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { contractOf, detailOf, type Contract } from '@corral/protocol/ports/contract';
import type { CallAnnotations, Returns, Tool, ToolAnnotations, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { isExact } from '@corral/protocol/model/origin';
import { bytesOf, contentOf, textsOf } from './answer.ts';
import { resolveReturns, type Resolved } from '../returned-fields.ts';
import { Exchange, HttpFailure, type ExchangeOptions, type ExchangePowers } from './exchange.ts';
import { entryFor, requestContract, type HttpRequest, type RequestRules, type Returned } from './request.ts';

export interface HttpOptions extends Omit<RequestRules, 'own_headers'>, ExchangeOptions {
  /** Without the prefix: `crm`. */
  readonly name: string;
  /** The writer of the answers of origins that do not say so themselves. */
  readonly returned: Returned;
  /** Whether its changes can be undone; undefined: they cannot. */
  readonly destructive?: boolean | undefined;
}

export interface HttpPowers extends ExchangePowers {
  readonly redact: (text: string) => string;
}

const Head = z.object({ status: z.int(), headers: z.record(z.string(), z.string()) });
const HttpAnswer = Head.extend({ body: z.string().optional(), body_base64: z.string().optional() });
const Part = z.union([Head, z.string()]);
const answerContract = contractOf(HttpAnswer, 'output');

/** Annotations for the answers of a server. Fields are those of the answer; below `body` they are those of the JSON in it. */
export const returnedBy = (returns: Returns): Resolved => resolveReturns(returns, () => answerContract.schema);

export const isReading = (method: unknown): boolean => method === 'GET' || method === 'HEAD';

const READS: CallAnnotations = { readOnly: true, idempotent: true, destructive: false };

/** Annotations that differ for a call that only reads (RFC 9110, 9.2.1). */
export const readsBy = (input: Json): CallAnnotations | undefined =>
  isReading((input as { readonly method?: unknown } | null)?.method) ? READS : undefined;

/** Annotations that depend on the method and on who writes what the origin answers: the same object for the same ones. */
function annotatedBy(origins: RequestRules['origins']): (input: Json) => CallAnnotations | undefined {
  if (origins.every(({ returned }) => returned === undefined)) return readsBy;
  const variants = new Map<Returned, Map<CallAnnotations | undefined, CallAnnotations>>();
  for (const { returned } of origins)
    if (returned !== undefined)
      variants.set(
        returned,
        new Map<CallAnnotations | undefined, CallAnnotations>([
          [READS, { ...READS, ...returned }],
          [undefined, returned],
        ]),
      );
  return (input) => {
    const reads = readsBy(input);
    const returned = entryFor(origins, originIn(input) ?? '')?.returned;
    return returned === undefined ? reads : variants.get(returned)?.get(reads);
  };
}

const originIn = (input: Json): string | undefined => (input as { readonly origin?: string } | null)?.origin;

export function httpTool(options: HttpOptions, powers: HttpPowers): Tool {
  const { name, origins, methods, secrets, idempotency_key, returned, bounds } = options;
  const patterns = origins.map(({ pattern }) => pattern);
  const readOnly = methods.every(isReading);
  const own_headers = [...secrets.map(({ header }) => header), ...(idempotency_key === undefined ? [] : [idempotency_key])];
  const annotations: ToolAnnotations = {
    readOnly,
    idempotent: readOnly || idempotency_key !== undefined,
    destructive: !readOnly && (options.destructive ?? true),
    openWorld: true,
    repeatable: false,
    returns: returned.returns,
    ...(returned.trusted_fields.length === 0 ? {} : { trusted_fields: returned.trusted_fields }),
    // Where the configuration names each origin, an agent cannot choose where its data goes.
    ...(patterns.every(isExact) ? {} : { destinations: ['origin', 'path', 'query'] }),
  };
  const exchange = new Exchange(options, powers);
  return {
    name: `http:${name}`,
    description: `Requests by HTTP to ${patterns.join(', ')}.`,
    input: requestContract({ ...options, own_headers }),
    output: answerContract,
    streams: true,
    part: partContract,
    end: contractOf(Head, 'output'),
    annotations,
    annotate: annotatedBy(origins),
    writer: (input) => {
      const origin = originIn(input);
      const { returns } = (origin === undefined ? undefined : entryFor(origins, origin)?.returned) ?? returned;
      return returns === 'trusted' ? undefined : origin;
    },
    reaches: { origins: patterns, methods },
    timeout_ms: bounds.timeout_ms,
    invoke: (call) => answered(exchange, call, options, powers),
    close: () => exchange.close(),
  };
}

const described = contractOf(Part, 'output');
const partContract: Contract = {
  get schema() {
    return described.schema;
  },
  mayHang: false,
  check: (value) => (typeof value === 'string' ? { ok: true, value } : described.check(value)),
};

async function answered(
  exchange: Exchange,
  call: ToolCall,
  { name, bounds, idempotency_key }: HttpOptions,
  powers: HttpPowers,
): Promise<ToolResult> {
  const request = call.input as unknown as HttpRequest;
  const { origin, method } = request;
  const { part } = call;
  const repeats = isReading(method) || idempotency_key !== undefined;
  try {
    const answer = await exchange.ask(request, call, repeats);
    const { status, headers } = answer;
    if (part === undefined) {
      const bytes = await bytesOf(answer, bounds.answer_bytes, origin);
      return { kind: 'ok', value: { status, headers, ...contentOf(bytes, powers.redact) } };
    }
    await part({ status, headers });
    for await (const text of textsOf(answer, bounds.stream_bytes, origin)) await part(text);
    return { kind: 'ok', value: { status, headers } };
  } catch (error) {
    return failureOf(error, `http:${name}`, repeats);
  }
}

/** @param repeats whether a request that may have been carried out may be made again */
export function failureOf(error: unknown, of: string, repeats: boolean): ToolResult {
  const detail = detailOf(error);
  if (error instanceof CorralError) {
    // The other code names a variable or a file of the host.
    const why = error.code === 'CORRAL_SECRET_DENIED' ? error.message : 'that of the host is missing.';
    return { kind: 'failed', message: `${of} has no credential for this: ${why}`, detail };
  }
  if (!(error instanceof HttpFailure)) return { kind: 'unknown', message: `${of} failed.`, detail };
  const { message, sent, final, code } = error;
  // A request that may be made again is, if it was lost; if its answer is not one for the agent, it was carried out.
  if (sent && !(repeats && code !== undefined)) return { kind: 'unknown', message, detail };
  return { kind: 'failed', message, detail, ...(code === undefined ? {} : { code }), ...(final ? {} : { retryable: true }) };
}
