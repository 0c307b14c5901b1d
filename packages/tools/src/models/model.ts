/** A model behind the Tool port: its bounds, its bill, and the models that are asked instead where it fails. */
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Cost } from '@corral/protocol/model/cost';
import { contractOf, detailOf } from '@corral/protocol/ports/contract';
import type { Maker, Tool, ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { mostTokens, type Bounds } from './bound.ts';
import { mostOf, usedOf, type Prices } from './prices.ts';
import { ModelAnswer, ModelRequest } from './request.ts';

/** A model of a provider, or one that only repeats what was written down. */
export interface Model {
  readonly maker: Maker;
  /**
   * @param request with the bound on its answer already in it
   * @throws ModelFailure; any other exception counts as an answer that was lost after it had been paid for
   */
  readonly ask: (request: ModelRequest, call: Pick<ToolCall, 'signal' | 'idempotency_key'>) => Promise<ModelAnswer>;
}

/** `refused`: nothing is billed, and asking again gives the same. `busy`: nothing is billed. `lost`: it may be billed. */
export type FailureKind = 'refused' | 'busy' | 'lost';

export class ModelFailure extends Error {
  readonly kind: FailureKind;
  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** A model with what the configuration says of it. */
export interface ConfiguredModel {
  readonly model: Model;
  readonly bounds: Bounds;
  readonly prices: Prices;
}

export interface ModelOptions {
  /** Without the prefix: `default`. */
  readonly name: string;
  readonly timeout_ms?: number | undefined;
  /** As `ToolAnnotations.hears`. */
  readonly hears?: readonly string[] | undefined;
  /** Settings of providers that an agent may choose: `openai.reasoningEffort`. */
  readonly provider_options?: readonly string[] | undefined;
}

const NOTHING: Cost = { tokens: 0, money_micros: 0 };

/**
 * @param models the model itself, then those that are asked at the second and later attempts. A call reserves what the dearest of them
 * may cost.
 */
export function modelTool(models: readonly [ConfiguredModel, ...ConfiguredModel[]], options: ModelOptions): Tool {
  const { name, timeout_ms, hears, provider_options = [] } = options;
  const [{ model: first }] = models;
  return {
    name: `model:${name}`,
    description: `Asks the model ${first.maker.model} of ${first.maker.provider}.`,
    input: contractOf(ModelRequest),
    output: contractOf(ModelAnswer, 'output'),
    annotations: {
      readOnly: false,
      idempotent: false,
      destructive: false,
      openWorld: true,
      repeatable: true,
      returns: 'model',
      ...(hears === undefined || hears.includes('*') ? {} : { hears }),
    },
    maker: first.maker,
    timeout_ms: timeout_ms ?? MACHINE.model_timeout_ms.default,
    bound: (input) => mostFor(models, input as unknown as ModelRequest),
    async invoke(call: ToolCall): Promise<ToolResult> {
      const asked = models[Math.min(call.attempt, models.length) - 1] ?? models[0];
      const request = call.input as unknown as ModelRequest;
      const foreign = optionsBeyond(request, provider_options);
      if (foreign !== undefined)
        return {
          kind: 'failed',
          message: `The configuration does not permit the setting ${foreign}; it would be in provider_options of the model ${name}.`,
          cost: NOTHING,
        };
      return answered(asked, request, call);
    },
  };
}

/** The most that one attempt costs, whichever of the models is asked. */
function mostFor(models: readonly ConfiguredModel[], request: ModelRequest): Cost | string {
  let tokens = 0;
  let money_micros = 0;
  for (const { bounds, prices } of models) {
    const most = mostTokens(request, bounds);
    if (typeof most === 'string') return most;
    tokens = Math.max(tokens, most.input + most.output);
    money_micros = Math.max(money_micros, mostOf(prices, most));
  }
  return { tokens, money_micros };
}

async function answered({ model, bounds, prices }: ConfiguredModel, request: ModelRequest, call: ToolCall): Promise<ToolResult> {
  const most = mostTokens(request, bounds);
  if (typeof most === 'string') return { kind: 'failed', message: most, cost: NOTHING };
  let answer: ModelAnswer;
  try {
    answer = await model.ask({ ...request, maxOutputTokens: most.output }, call);
  } catch (error) {
    return failed(error, model.maker);
  }
  const used = usedOf(answer.usage);
  // A provider that does not count is billed what was reserved.
  const cost = used === undefined ? {} : { cost: { tokens: used.input + used.output, money_micros: prices(used) } };
  return { kind: 'ok', value: answer as unknown as Json, ...cost };
}

function failed(error: unknown, { provider, model }: Maker): ToolResult {
  const detail = detailOf(error);
  if (error instanceof CorralError)
    return { kind: 'failed', message: `The model ${model} of ${provider} cannot be asked.`, cost: NOTHING, detail };
  if (!(error instanceof ModelFailure))
    return { kind: 'failed', message: `${provider} answered for ${model} with something that cannot be read.`, detail };
  const { message } = error;
  if (error.kind === 'lost') return { kind: 'unknown', message, detail };
  return { kind: 'failed', message, cost: NOTHING, detail, ...(error.kind === 'busy' ? { retryable: true } : {}) };
}

/**
 * A provider adds settings to the parts of its answer, which it wants back in the next prompt; these are taken along. Any other setting
 * could change what a call costs or where it goes, so only those that the configuration names are permitted.
 */
const ECHOED: ReadonlySet<string> = new Set([
  'openai.itemId',
  'openai.reasoningEncryptedContent',
  'openai.phase',
  'anthropic.signature',
  'anthropic.redactedData',
  'anthropic.cacheControl',
  'google.thoughtSignature',
  'bedrock.signature',
  'bedrock.redactedData',
]);

/** The first setting that is not permitted. */
function optionsBeyond(request: ModelRequest, permitted: readonly string[]): string | undefined {
  const names = (options: unknown) =>
    Object.entries((options ?? {}) as Readonly<Record<string, object>>).flatMap(([provider, set]) =>
      Object.keys(set).map((one) => `${provider}.${one}`),
    );
  const beyond = (options: unknown, echoed: boolean) =>
    names(options).find((one) => !permitted.includes(one) && !(echoed && ECHOED.has(one)));
  const own = beyond(request.providerOptions, false);
  if (own !== undefined) return own;
  for (const tool of request.tools ?? []) {
    const found = beyond(tool.providerOptions, true);
    if (found !== undefined) return found;
  }
  for (const message of request.prompt) {
    const found = beyond(message.providerOptions, true);
    if (found !== undefined) return found;
    if (typeof message.content === 'string') continue;
    for (const part of message.content) {
      const inPart = beyond(part.providerOptions, true);
      if (inPart !== undefined) return inPart;
    }
  }
  return undefined;
}
