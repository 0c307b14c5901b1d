/** Settings that would take a request beyond what is reserved for it, or let it name what others asked. */
import { ModelFailure, type Model } from './model.ts';
import type { ModelAnswer, ModelRequest } from './request.ts';
import type { Settings } from './settings.ts';

/** A provider keeps nothing that a later request could name, since the account is that of all tenants. */
const STORES_NOTHING: Readonly<Record<string, Settings>> = { openai: { openai: { store: false } } };

/** A model of a provider, asked for no more than is reserved, whatever its settings are. @param settings of the configuration */
export function withinBounds(model: Model, settings: Settings = {}): Model {
  const { provider } = model.maker;
  return {
    ...model,
    async ask(request, call) {
      const { providerOptions: chosen, ...rest } = request;
      const providerOptions = merged(chosen, STORES_NOTHING[provider]);
      const sent = { ...rest, ...(Object.keys(providerOptions).length === 0 ? {} : { providerOptions }) } as ModelRequest;
      if (provider !== 'anthropic' && provider !== 'bedrock') return model.ask(sent, call);
      const { reasoning, ...others } = sent;
      const keeps = reasoning === undefined || reasoning === 'provider-default' || reasoning === 'none';
      const bounded = withoutBudget(keeps ? sent : others, merged(settings, providerOptions), model);
      if (keeps) return model.ask(bounded, call);
      const { part } = call;
      const answer = await model.ask(
        bounded,
        part === undefined ? call : { ...call, part: (one) => part(isStart(one) ? warned(one, reasoning) : one) },
      );
      return warned(answer, reasoning);
    },
  };
}

function merged(...sets: readonly (Settings | undefined)[]): Settings {
  const all: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const set of sets) for (const [provider, some] of Object.entries(set ?? {})) all[provider] = { ...all[provider], ...some };
  return all;
}

interface Thinking {
  readonly type?: unknown;
  readonly budgetTokens?: unknown;
  readonly maxReasoningEffort?: unknown;
}

/** Tokens for thinking where the settings state no number, by the package of Anthropic. */
const THINKING_TOKENS = 1024;

/** The packages of these providers add a budget for thinking to the tokens of the answer. Less is asked for, so that the sum stays. */
function withoutBudget(request: ModelRequest, settings: Settings, { maker }: Model): ModelRequest {
  const { maxOutputTokens } = request;
  if (maxOutputTokens === undefined) return request;
  const budgets = Object.values(settings).flatMap((set) =>
    [set['thinking'], set['reasoningConfig']].map((one) => {
      const { type, budgetTokens, maxReasoningEffort } = (one ?? {}) as Thinking;
      if (maker.model.includes('nova') && type === 'enabled' && /^(?:x?high|max)$/.test(String(maxReasoningEffort)))
        throw new ModelFailure(
          'refused',
          `${maker.model} takes no bound on its answer where its reasoning effort is high, so it is not asked.`,
        );
      if (type !== 'enabled') return 0;
      return typeof budgetTokens === 'number' ? budgetTokens : THINKING_TOKENS;
    }),
  );
  const budget = Math.max(0, ...budgets);
  if (budget < maxOutputTokens) return { ...request, maxOutputTokens: maxOutputTokens - budget };
  const sentence = `The settings give ${budget} tokens to thinking, which leaves none of the ${maxOutputTokens} tokens of the answer.`;
  throw new ModelFailure('refused', sentence);
}

interface Warned {
  readonly warnings: ModelAnswer['warnings'];
}

/** The part of a stream that has the warnings. */
const isStart = (part: unknown): part is Warned => (part as { readonly type?: unknown }).type === 'stream-start';

const warned = <Of extends Warned>(answer: Of, reasoning: string): Of => ({
  ...answer,
  warnings: [
    ...answer.warnings,
    {
      type: 'unsupported',
      feature: 'reasoning',
      details: `reasoning: '${reasoning}' was left out, because it raises the tokens of the answer above the bound of the model.`,
    },
  ],
});
