/** The models of a configuration as tools, which agents reach as `model:NAME`. */
import { resolve } from 'node:path';
import type { ModelName } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { modelTool, type ConfiguredModel, type Model } from '@corral/tools/models/model';
import { pricesOf } from '@corral/tools/models/prices';
import { providerModel, type ProviderPowers } from '@corral/tools/models/providers';
import { recordedModel } from '@corral/tools/models/recorded';
import { scriptedModel } from '@corral/tools/models/scripted';
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
    const said = models[name as ModelName] as ModelConfig;
    const one = { model: modelOf(said, base, powers, configured), bounds: said, prices: pricesFor(said) };
    made.set(name, one);
    return one;
  };
  return Object.entries(models).map(([name, said]) =>
    modelTool([configured(name), ...said.fallbacks.map((other) => configured(other))], { name, ...said }),
  );
}

function modelOf(said: ModelConfig, base: string, powers: ProviderPowers, other: (name: string) => ConfiguredModel): Model {
  if (said.provider === 'scripted') return scriptedModel(said.turns);
  if (said.provider === 'recorded')
    return recordedModel(resolve(base, said.file), said.of === undefined ? undefined : other(said.of).model, powers.redact);
  return providerModel(said, powers);
}

const isFree = ({ provider }: ModelConfig) => provider === 'scripted' || provider === 'recorded';

function pricesFor(said: ModelConfig): ConfiguredModel['prices'] {
  const prices = pricesOf(makerOf(said), said.price ?? (isFree(said) ? 'free' : undefined));
  if (prices === undefined) throw new Error(`no price of ${said.provider} is known`);
  return prices;
}

const makerOf = (said: ModelConfig) => ({ provider: said.provider, model: 'model' in said ? said.model : said.provider });

/** Names that models mention and do not exist, models that ask each other in a circle, and prices that nobody knows. */
export function faultsOfModels(models: Models, secrets: Readonly<Record<string, unknown>>): Fault[] {
  return Object.entries(models).flatMap(([name, said]): Fault[] => {
    const path = ['models', name];
    const unknown = (at: string, other: string | undefined): Fault[] =>
      other === undefined || Object.hasOwn(models, other) ? [] : [{ path: [...path, at], message: `there is no model ${other}` }];
    const noSecret = (at: 'key' | 'secret_key'): Fault[] => {
      const named = at in said ? (said as { readonly [K in typeof at]?: string })[at] : undefined;
      return named === undefined || Object.hasOwn(secrets, named) ? [] : [{ path: [...path, at], message: `there is no secret ${named}` }];
    };
    const of = said.provider === 'recorded' ? said.of : undefined;
    return [
      ...said.fallbacks.flatMap((other) => unknown('fallbacks', other)),
      ...unknown('of', of),
      ...(of !== undefined && models[of]?.provider === 'recorded'
        ? [{ path: [...path, 'of'], message: `${of} is a recording itself` }]
        : []),
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
