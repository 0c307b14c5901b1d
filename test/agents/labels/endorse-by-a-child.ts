/** Has a child ask to be vouched for, with the capability kept from it, handed on without a use, or handed on to read alone. */
import { defineAgent, type AgentContext } from '@corral/guest';
import { codeOf, outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const asks = { endorse: 'tool:label.endorse' } as const;
const asking = ({ caps }: Pick<AgentContext<unknown, typeof asks>, 'caps'>) =>
  (async () => caps.endorse({ run: true, reason: 'r' }))().catch(codeOf);

const empty = defineAgent({ name: 'empty', uses: {}, run: (context) => asking(context as never) });
const kid = defineAgent({ name: 'kid', uses: asks, run: asking });

export default defineAgent({
  name: 'planner',
  uses,
  spawns: { empty, kid },
  async run({ input, caps, spawn }) {
    const { terms } = input as { terms?: Parameters<typeof caps.endorse.attenuate>[0] };
    const child = terms === undefined ? spawn(empty, null) : spawn(kid, null, { caps: { endorse: caps.endorse.attenuate(terms) } });
    return outputOf(await child.ended);
  },
});
