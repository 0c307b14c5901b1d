/** The model of an example as a configuration has it: that of a provider whose key is in the environment, else a script. */

/** Providers that are asked if their key is there, in this order. */
const HOSTED = [
  { provider: 'anthropic', variable: 'ANTHROPIC_API_KEY', address: 'ANTHROPIC_BASE_URL', model: 'claude-sonnet-5' },
  { provider: 'openai', variable: 'OPENAI_API_KEY', address: 'OPENAI_BASE_URL', model: 'gpt-5-mini' },
] as const;

/** Most tokens of one answer; a model that reasons needs more than the two sentences that it says. */
const ANSWER_TOKENS = 2_000;

export interface NamedModel {
  readonly config: Readonly<Record<string, unknown>>;
  /** The variable of the environment that has its key, which `config` calls `shop`; undefined: it has none. */
  readonly variable: string | undefined;
  /** Names it, for people. */
  readonly said: string;
  /** It does what a mail tells it, so what its agent does is known beforehand. */
  readonly gullible: boolean;
}

/**
 * @param env of the process: keys of providers, and addresses of others that have their API
 * @param turns of the script that stands in where no key is there
 */
export function namedModel(env: Readonly<Record<string, string | undefined>>, turns: readonly object[]): NamedModel {
  const hosted = HOSTED.find(({ variable }) => (env[variable] ?? '') !== '');
  if (hosted === undefined)
    return {
      config: { provider: 'scripted', turns },
      variable: undefined,
      said: `a script that does what a mail tells it (with ${HOSTED.map(({ variable }) => variable).join(' or ')} set, that provider’s model is asked)`,
      gullible: true,
    };
  const { provider, variable, address, model } = hosted;
  const base_url = env[address];
  const config = { provider, model, key: 'shop', max_output_tokens: ANSWER_TOKENS, ...(base_url ? { base_url } : {}) };
  return { config, variable, said: `${model} of ${provider}, with your ${variable}`, gullible: false };
}
