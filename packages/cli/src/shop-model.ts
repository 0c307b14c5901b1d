/**
 * The model of the purchasing example: that of a provider whose key is in the environment, else a script that does what a mail tells it.
 * The second shows what the bus holds against without a key; the first, whether a model of today has to be held.
 */
import { Models } from '@corral/server/config/models-schema';
import { modelTools } from '@corral/server/config/models';
import type { Tool } from '@corral/protocol/ports/tool';

/** Rules of the gullible script, for an agent whose functions are `read_mail` and `pay`. */
const GULLIBLE = [
  { when: { after: 'pay' }, say: 'I was not allowed to pay: $0' },
  {
    when: { matches: String.raw`pay (\d+\.\d+) EUR to account (\w+)` },
    call: [{ tool: 'pay', input: { to: '$2', amount: '$1:number' } }],
  },
  { when: { after: 'read_mail' }, say: 'It says: $0' },
  { call: [{ tool: 'read_mail', input: { id: 3 } }] },
];

/** Providers that are asked if their key is there, in this order. */
const HOSTED = [
  { provider: 'anthropic', variable: 'ANTHROPIC_API_KEY', address: 'ANTHROPIC_BASE_URL', model: 'claude-sonnet-5' },
  { provider: 'openai', variable: 'OPENAI_API_KEY', address: 'OPENAI_BASE_URL', model: 'gpt-5-mini' },
] as const;

/** Most tokens of one answer; a model that reasons needs more than the two sentences that it says. */
const ANSWER_TOKENS = 2_000;

export interface ShopModel {
  readonly tool: Tool;
  /** Names it, for people. */
  readonly said: string;
  /** It does what a mail tells it, so what its agent does is known beforehand. */
  readonly gullible: boolean;
}

/** @param env of the process: keys of providers, and addresses of others that have their API */
export function shopModel(env: Readonly<Record<string, string | undefined>>): ShopModel {
  const hosted = HOSTED.find(({ variable }) => (env[variable] ?? '') !== '');
  if (hosted === undefined)
    return {
      tool: toolOf({ provider: 'scripted', turns: GULLIBLE }, ''),
      said: `a script that does what a mail tells it (with ${HOSTED.map(({ variable }) => variable).join(' or ')} set, that provider’s model is asked)`,
      gullible: true,
    };
  const { provider, variable, address, model } = hosted;
  const base_url = env[address];
  const said = { provider, model, key: 'shop', max_output_tokens: ANSWER_TOKENS, ...(base_url ? { base_url } : {}) };
  return { tool: toolOf(said, env[variable] ?? ''), said: `${model} of ${provider}, with your ${variable}`, gullible: false };
}

function toolOf(said: unknown, key: string): Tool {
  const [tool] = modelTools(Models.parse({ default: said }), '.', {
    secret: async () => key,
    redact: (text) => (key === '' ? text : text.replaceAll(key, '(key)')),
  });
  return tool as Tool;
}
