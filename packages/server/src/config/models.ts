/** The models of a configuration as tools, which agents reach as `model:NAME`. */
import { resolve } from 'node:path';
import type { ModelName } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { MACHINE } from '@corral/protocol/limits';
import { modelTool, noted, type ConfiguredModel, type Model } from '@corral/tools/models/model';
import { pricesOf } from '@corral/tools/models/prices';
import { providerModel, type ProviderPowers } from '@corral/tools/models/providers';
import { recordedModel } from '@corral/tools/models/recorded';
import { scriptedModel } from '@corral/tools/models/scripted';
import { writesCache, type Settings } from '@corral/tools/models/settings';
import { withinBounds } from '@corral/tools/models/within';
import type { ModelConfig, Models } from './models-schema.ts';
import type { Fault } from './whole.ts';

/**
 * @param base folder of the configuration file
 * @throws Error for a pattern that RE2 does not have
 */
export function modelTools(models: Models, base: string, powers: ProviderPowers): Tool[] {
  const made = new Map<string, ConfiguredModel>();
  const configured = (name: string): ConfiguredModel => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const one = configuredOf(models[name as ModelName] as ModelConfig, base, powers, configured);
    made.set(name, one);
    return one;
  };
  return Object.entries(models).map(([name, said]) => {
    const { timeout_ms, fallbacks } = said;
    const chain = [name, ...fallbacks].map((one) => behind(models, models[one as ModelName] as ModelConfig));
    const hears = commonTo(chain.flatMap((one) => (one.hears === undefined || one.hears.includes('*') ? [] : [one.hears])));
    const provider_options = commonTo(chain.map((one) => one.provider_options));
    return modelTool([configured(name), ...fallbacks.map((other) => configured(other))], { name, timeout_ms, hears, provider_options });
  });
}

/** Members of all the lists; undefined if there are none. */
const commonTo = (lists: readonly (readonly string[])[]): readonly string[] | undefined =>
  lists.length === 0 ? undefined : lists.reduce((some, more) => some.filter((one) => more.includes(one)));

/** The model whose facts, bounds and prices hold: of a recording, the model behind it. */
function behind(models: Models, said: ModelConfig): ModelConfig {
  return (said.provider === 'recorded' && said.of !== undefined ? models[said.of] : undefined) ?? said;
}

function configuredOf(said: ModelConfig, base: string, powers: ProviderPowers, other: (name: string) => ConfiguredModel): ConfiguredModel {
  if (said.provider === 'recorded' && said.of !== undefined) {
    const real = other(said.of);
    const { model, asked } = noted(real);
    return { ...real, model: recordedModel(resolve(base, said.file), model, powers.redact), facts: real.model.maker, asked };
  }
  const one = { model: modelOf(said, base, powers), bounds: said, prices: pricesFor(said) };
  return said.provider === 'recorded' ? { ...one, asked: () => false } : one;
}

function modelOf(said: ModelConfig, base: string, powers: ProviderPowers): Model {
  if (said.provider === 'scripted') return scriptedModel(said.turns);
  if (said.provider === 'recorded') return recordedModel(resolve(base, said.file), undefined, powers.redact);
  return withinBounds(providerModel(said, powers), said.settings);
}

const isFree = ({ provider }: ModelConfig) => provider === 'scripted' || provider === 'recorded';

function pricesFor(said: ModelConfig): ConfiguredModel['prices'] {
  const settings = 'settings' in said ? (said.settings as Settings | undefined) : undefined;
  const writes = writesCache(settings, said.provider_options);
  const prices = pricesOf(makerOf(said), said.price ?? (isFree(said) ? 'free' : undefined), writes);
  if (prices === undefined) throw new Error(`no price of ${said.provider} is known`);
  return prices;
}

const makerOf = (said: ModelConfig) => ({ provider: said.provider, model: 'model' in said ? said.model : said.provider });

/** Fallbacks of another provider: a policy that permits only one provider would be decided on the first model. */
function strangers(models: Models, path: readonly string[], said: ModelConfig): Fault[] {
  const { provider } = behind(models, said);
  return said.fallbacks.flatMap((name): Fault[] => {
    const other = Object.hasOwn(models, name) ? models[name] : undefined;
    if (other === undefined || behind(models, other).provider === provider) return [];
    const message = `${name} is a model of ${behind(models, other).provider}, and policies know this one as a model of ${provider}: name models of one provider`;
    return [{ path: [...path, 'fallbacks'], message }];
  });
}

function faultsOfRecording(models: Models, path: readonly string[], said: ModelConfig): Fault[] {
  if (said.provider !== 'recorded' || said.of === undefined) return [];
  const { of } = said;
  if (!Object.hasOwn(models, of)) return [{ path: [...path, 'of'], message: `there is no model ${of}` }];
  if (models[of]?.provider === 'recorded') return [{ path: [...path, 'of'], message: `${of} is a recording itself` }];
  const { price, file_tokens, pdf_tokens, hears, provider_options, max_output_tokens } = said;
  const own = {
    price,
    file_tokens,
    pdf_tokens,
    hears,
    provider_options: provider_options.length === 0 ? undefined : provider_options,
    max_output_tokens: max_output_tokens === MACHINE.model_output_tokens.default ? undefined : max_output_tokens,
  };
  return Object.entries(own).flatMap(([name, value]) =>
    value === undefined ? [] : [{ path: [...path, name], message: `that of ${of} holds, which is the model behind it: leave it out here` }],
  );
}

/** Any later request of the same account could name what OpenAI keeps of one, whichever tenant it is of. */
function faultsOfStore(path: readonly string[], said: ModelConfig): Fault[] {
  if (said.provider !== 'openai') return [];
  const set = said.settings?.['openai']?.['store'];
  const faults: [string, boolean][] = [
    ['settings', set !== undefined && set !== false],
    ['provider_options', said.provider_options.includes('openai.store')],
  ];
  return faults.flatMap(([at, wrong]) =>
    wrong ? [{ path: [...path, at], message: 'openai.store is always false, so that no agent can name what another one asked' }] : [],
  );
}

/** Names that models mention and do not exist, recordings of recordings, fallbacks of other providers, and prices that nobody knows. */
export function faultsOfModels(models: Models, secrets: Readonly<Record<string, unknown>>): Fault[] {
  return Object.entries(models).flatMap(([name, said]): Fault[] => {
    const path = ['models', name];
    const unknown = (at: string, other: string | undefined): Fault[] =>
      other === undefined || Object.hasOwn(models, other) ? [] : [{ path: [...path, at], message: `there is no model ${other}` }];
    const noSecret = (at: 'key' | 'secret_key'): Fault[] => {
      const named = at in said ? (said as { readonly [K in typeof at]?: string })[at] : undefined;
      return named === undefined || Object.hasOwn(secrets, named) ? [] : [{ path: [...path, at], message: `there is no secret ${named}` }];
    };
    return [
      ...said.fallbacks.flatMap((other) => unknown('fallbacks', other)),
      ...strangers(models, path, said),
      ...faultsOfRecording(models, path, said),
      ...faultsOfStore(path, said),
      ...noSecret('key'),
      ...noSecret('secret_key'),
      ...(isFree(said) || pricesOf(makerOf(said), said.price) !== undefined
        ? []
        : [
            {
              path: [...path, 'price'],
              message: `nobody knows what ${makerOf(said).model} of ${said.provider} costs: write price: 'free', or price: { input, output } for a million tokens`,
            },
          ]),
    ];
  });
}
