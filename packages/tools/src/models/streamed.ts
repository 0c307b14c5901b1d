/**
 * Reads the stream of a provider's package: hands over its parts as JSON, one after the other, and makes an answer of what ends it. Parts
 * without content are held back until the first one with content, so that a failure before it counts as one of an answer that never began.
 */
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { Json } from '@corral/protocol/json';
import type { Maker } from '@corral/protocol/ports/tool';
import { answerOf, asJson, metadataOf, typed } from './answer.ts';
import { ModelFailure } from './model.ts';
import type { ModelAnswer } from './request.ts';

type Part = LanguageModelV4StreamPart;

export interface StreamReader {
  readonly maker: Maker;
  /** Hands over one part; rejects when the call was given up. */
  readonly give: (part: Json) => Promise<void>;
  /** Called for each part as it is read. */
  readonly took: () => void;
  /** The provider says which model answers. @throws ModelFailure if it must not */
  readonly said: (modelId: string | undefined) => void;
}

/** An error that came as a part of a stream. */
export class PartError extends Error {
  readonly statusCode: number | undefined;
  constructor(error: unknown) {
    const { message, statusCode } = typeof error === 'object' && error !== null ? (error as Partial<PartError>) : {};
    super(typeof error === 'string' ? error : typeof message === 'string' ? message : 'an error without a message', { cause: error });
    this.statusCode = typeof statusCode === 'number' ? statusCode : undefined;
  }
}

/** They come before anything that the model says. */
const HELD_BACK: ReadonlySet<string> = new Set([
  'stream-start',
  'response-metadata',
  'custom',
  'text-start',
  'reasoning-start',
  'tool-input-start',
]);

/**
 * Closes the stream when it returns or throws.
 * @returns the answer without content and text, which were handed over
 * @throws ModelFailure, PartError, and what the stream and `give` throw
 */
export async function streamedAnswer(stream: ReadableStream<Part>, { maker, give, took, said }: StreamReader): Promise<ModelAnswer> {
  let held: Json[] | undefined = [];
  let warnings: unknown = [];
  const response = {};
  let finish: Extract<Part, { readonly type: 'finish' }> | undefined;
  const release = async () => {
    const before = held ?? [];
    held = undefined;
    for (const part of before) await give(part);
  };
  for await (const part of stream) {
    took();
    if (part.type === 'ping' || part.type === 'raw') continue;
    if (part.type === 'error') throw new PartError(part.error);
    if (part.type === 'finish') {
      finish = part;
      continue;
    }
    if (part.type === 'stream-start') ({ warnings } = part);
    if (part.type === 'response-metadata') {
      Object.assign(response, metadataOf(part));
      said(part.modelId);
    }
    const json = partOf(part);
    if (held !== undefined && HELD_BACK.has(part.type)) held.push(json);
    else {
      if (held !== undefined) await release();
      await give(json);
    }
  }
  if (finish === undefined) throw new ModelFailure('lost', `${maker.model} of ${maker.provider} ended its answer before it was complete.`);
  await release();
  const { finishReason, usage, providerMetadata } = finish;
  const ends = { content: [], finishReason, usage, warnings, ...(providerMetadata === undefined ? {} : { providerMetadata }) };
  return { ...answerOf(ends as unknown as Parameters<typeof answerOf>[0], maker), response };
}

/** A part as JSON. Nearly all are pieces of text, which need no walk. */
function partOf(part: Part): Json {
  switch (part.type) {
    case 'text-delta':
    case 'reasoning-delta':
    case 'tool-input-delta': {
      const { type, id, delta, providerMetadata } = part;
      return { type, id, delta, ...(providerMetadata === undefined ? {} : { providerMetadata: asJson(providerMetadata) as Json }) };
    }
    case 'stream-start':
      return asJson({ type: part.type, warnings: typed(part.warnings) }) as Json;
    case 'response-metadata':
      return { type: part.type, ...metadataOf(part) };
    default:
      return asJson(part) as Json;
  }
}
