/**
 * The model of the purchasing example: that of a provider whose key is in the environment, else a script that does what a mail tells it.
 * The second shows what the bus holds against without a key; the first, whether a model of today has to be held.
 */
import { Models } from '@corral/server/config/models-schema';
import { modelTools } from '@corral/server/config/models';
import type { Tool } from '@corral/protocol/ports/tool';
import { namedModel, type NamedModel } from './named-model.ts';

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

export interface ShopModel extends Pick<NamedModel, 'said' | 'gullible'> {
  readonly tool: Tool;
}

/** @param env of the process: keys of providers, and addresses of others that have their API */
export function shopModel(env: Readonly<Record<string, string | undefined>>): ShopModel {
  const { config, variable = '', said, gullible } = namedModel(env, GULLIBLE);
  return { tool: toolOf(config, env[variable] ?? ''), said, gullible };
}

/** The tool of a model outside of a host that has a configuration. @param config as `NamedModel` has it */
export function toolOf(config: NamedModel['config'], key: string): Tool {
  const [tool] = modelTools(Models.parse({ default: config }), '.', {
    secret: async () => key,
    redact: (text) => (key === '' ? text : text.replaceAll(key, '(key)')),
  });
  return tool as Tool;
}
