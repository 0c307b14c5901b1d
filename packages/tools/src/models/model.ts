/** A model behind the Tool port: its bounds, its bill, and the models that are asked instead where it fails. */
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Cost } from '@corral/protocol/model/cost';
import { contractOf, detailOf, type Contract } from '@corral/protocol/ports/contract';
import { ASKS_MODEL, type Maker, type Tool, type ToolCall, type ToolResult } from '@corral/protocol/ports/tool';
import { mostTokens, type Bounds } from './bound.ts';
import { mostOf, usedOf, type Prices } from './bill.ts';
import { AnswerPart, ModelAnswer, type ModelRequest } from './request.ts';
import { permittedOf } from './settings.ts';
import { requestContract } from './shape.ts';

export type ModelCall = Pick<ToolCall, 'signal' | 'idempotency_key' | 'part'>;

/** A model of a provider, or one that only repeats what was written down. */
export interface Model {
  readonly maker: Maker;
  /**
   * @param request with the bound on its answer already in it, but for a recording
   * @param call with `part`: the answer is handed over part by part, and what is returned is the rest of it, without content and text
   * @throws ModelFailure; any other exception counts as an answer that was lost after it had been paid for
   */
  readonly ask: (request: ModelRequest, call: ModelCall) => Promise<ModelAnswer>;
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
  /** Policies know it by these, where another one answers: those of the model behind a recording. */
  readonly facts?: Maker;
  /**
   * For a recording: whether a model was asked for this call, so that it costs something. Called once, after the call. A recording gets
   * the request as the agent wrote it, so that it knows it again where other bounds hold.
   */
  readonly asked?: (key: string) => boolean;
}

/** The model behind a recording, within its bounds, with a note of each call that it was asked for. */
export function noted({ model, bounds }: ConfiguredModel): { readonly model: Model; readonly asked: (key: string) => boolean } {
  const keys = new Set<string>();
  return {
    model: {
      ...model,
      ask(request, call) {
        keys.add(call.idempotency_key);
        return model.ask(within(request, bounds), call);
      },
    },
    asked: (key) => keys.delete(key),
  };
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

const described = contractOf(AnswerPart, 'output');
/** A stream has thousands of parts, and only this must hold of each. */
const partContract: Contract = {
  get schema() {
    return described.schema;
  },
  mayHang: false,
  check: (value) => (isPart(value) ? { ok: true, value } : { ok: false, where: 'type', message: 'it is a text' }),
};
const isPart = (value: unknown): boolean => typeof (value as { readonly type?: unknown } | null)?.type === 'string';

const NOTHING: Cost = { tokens: 0, money_micros: 0 };

/**
 * @param models the model itself, then those that are asked at the second and later attempts. A call reserves what the dearest of them
 * may cost.
 */
export function modelTool(models: readonly [ConfiguredModel, ...ConfiguredModel[]], options: ModelOptions): Tool {
  const { name, timeout_ms, hears, provider_options = [] } = options;
  const [{ model, facts: first = model.maker }] = models;
  return {
    name: `model:${name}`,
    description: `Asks the model ${first.model} of ${first.provider}.`,
    input: requestContract,
    output: contractOf(ModelAnswer, 'output'),
    streams: true,
    part: partContract,
    annotations: { ...ASKS_MODEL, ...(hears === undefined || hears.includes('*') ? {} : { hears }) },
    maker: first,
    timeout_ms: timeout_ms ?? MACHINE.model_timeout_ms.default,
    bound: (input) => mostFor(models, input as unknown as ModelRequest),
    async invoke(call: ToolCall): Promise<ToolResult> {
      const asked = models[Math.min(call.attempt, models.length) - 1] ?? models[0];
      const request = permittedOf(call.input as unknown as ModelRequest, provider_options);
      if (typeof request === 'string')
        return {
          kind: 'failed',
          message: `The configuration does not permit the setting ${request}; it would be in provider_options of the model ${name}.`,
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

/** The request with the bound on its answer. */
const within = (request: ModelRequest, { max_output_tokens }: Bounds): ModelRequest => ({
  ...request,
  maxOutputTokens: Math.min(request.maxOutputTokens ?? max_output_tokens, max_output_tokens),
});

async function answered(one: ConfiguredModel, request: ModelRequest, call: ToolCall): Promise<ToolResult> {
  const { model, bounds, prices } = one;
  const most = mostTokens(request, bounds);
  if (typeof most === 'string') return { kind: 'failed', message: most, cost: NOTHING };
  const asked = () => one.asked?.(call.idempotency_key) ?? true;
  const { part } = call;
  let given = false;
  const handing = async (one: Json): Promise<void> => {
    given = true;
    await part?.(one).catch((cause: unknown) => {
      throw new ModelFailure('lost', `The stream of ${model.maker.model} was given up before its end.`, { cause });
    });
  };
  let answer: ModelAnswer;
  try {
    answer = await model.ask(
      one.asked === undefined ? within(request, bounds) : request,
      part === undefined ? call : { ...call, part: handing },
    );
  } catch (error) {
    asked();
    const maker = one.facts ?? model.maker;
    return failed(given ? lostAfterParts(error, maker) : error, maker);
  }
  if (!asked()) return { kind: 'ok', value: answer as unknown as Json, cost: NOTHING };
  const used = usedOf(answer.usage);
  // A provider that does not count is billed what was reserved.
  const cost = used === undefined ? {} : { cost: { tokens: used.input + used.output, money_micros: prices(used) } };
  return { kind: 'ok', value: answer as unknown as Json, ...cost };
}

/** The agent may have seen some of the answer, so that it is not asked for again, whatever the failure would have meant before. */
function lostAfterParts(cause: unknown, { provider, model }: Maker): ModelFailure {
  if (cause instanceof ModelFailure && cause.kind === 'lost') return cause;
  const why = cause instanceof ModelFailure ? ` ${cause.message}` : '';
  return new ModelFailure('lost', `${model} of ${provider} failed in the middle of its answer.${why}`, { cause });
}

function failed(error: unknown, { provider, model }: Maker): ToolResult {
  if (error instanceof CorralError && error.code === 'CORRAL_SECRET_MISSING')
    return { kind: 'failed', message: `The host’s key for ${model} of ${provider} is missing.`, cost: NOTHING, detail: error.message };
  const detail = detailOf(error);
  if (error instanceof CorralError)
    return { kind: 'failed', message: `The model ${model} of ${provider} cannot be asked.`, cost: NOTHING, detail };
  if (!(error instanceof ModelFailure))
    return { kind: 'failed', message: `${provider} answered for ${model} with something that cannot be read.`, detail };
  const { message } = error;
  if (error.kind === 'lost') return { kind: 'unknown', message, detail };
  return { kind: 'failed', message, cost: NOTHING, detail, ...(error.kind === 'busy' ? { retryable: true } : {}) };
}
