/**
 * Hands what a mail says on: a model sums it up, a child picks the account out of that, and a service keeps it. Then the child, this run and the
 * service each try to pay that account.
 */
import { defineAgent, defineService, handler, type Caps } from '@corral/guest';
import * as z from 'zod/mini';
import { codeOf, outputOf } from '../outcomes.ts';

const Paid = z.object({ account: z.string(), said: z.string() });

export const notes = defineService({
  name: 'notes',
  key: z.string(),
  state: z.object({ account: z.string() }),
  initial: { account: '' },
  uses: { pay: 'tool:payments.send' },
  budget: { money_micros: 900_000_000 },
  on: {
    keep: handler({ message: z.object({ account: z.string() }), reply: Paid }, ({ message, state }) => {
      state.account = message.account;
      return { account: message.account, said: 'kept' };
    }),
    pay: handler({ message: z.object({}), reply: Paid }, async ({ state, caps }) => {
      const { pay } = caps as unknown as Caps<{ pay: 'tool:payments.send' }>;
      const said = await pay({ to: state.account, amount: 1, reference: 'service' }).then(() => 'paid', codeOf);
      return { account: state.account, said };
    }),
    recall: handler({ message: z.object({}), reply: Paid }, ({ state }) => ({ account: state.account, said: 'recalled' })),
  },
});

/** The service, whose types are told to nobody. */
const asked = (caps: unknown) => (caps as Caps<{ notes: 'service:notes' }>).notes as (call: object) => Promise<z.infer<typeof Paid>>;

const reader = defineAgent({
  name: 'relay/reader',
  input: z.object({ said: z.string() }),
  output: z.object({ account: z.string(), said: z.string() }),
  uses: { pay: 'tool:payments.send' },
  async run({ input, caps }) {
    const account = /account (\w+)/.exec(input.said)?.[1] ?? '';
    return { account, said: await caps.pay({ to: account, amount: 1, reference: 'child' }).then(() => 'paid', codeOf) };
  },
});

export default defineAgent({
  name: 'relay',
  input: z.object({ id: z.optional(z.int()), task: z.string() }),
  uses: { model: 'model:default', read: 'tool:mail.read', pay: 'tool:payments.send', notes: 'service:notes' },
  budget: { tokens: 50_000, money_micros: 2_000_000_000 },
  services: { notes },
  spawns: { reader },
  async run({ input, caps, spawn }) {
    const ask = (on: 'keep' | 'pay' | 'recall', message: object) => asked(caps)({ key: 'a', on, message });
    if (input.id === undefined) {
      const { account } = await ask('recall', {});
      return { later: await caps.pay({ to: account, amount: 1, reference: 'later' }).then(() => 'paid', codeOf) };
    }
    const { text } = await caps.read({ id: input.id });
    const { text: said } = await caps.model({ prompt: [{ role: 'user', content: [{ type: 'text', text }] }], maxOutputTokens: 500 });
    const child = spawn(reader, { said }, { caps: { pay: caps.pay }, budget: { calls: 3, bytes: 10_000, money_micros: 900_000_000 } });
    const found = outputOf(await child.ended) as z.infer<typeof Paid>;
    const own = await caps.pay({ to: found.account, amount: 1, reference: 'own' }).then(() => 'paid', codeOf);
    await ask('keep', { account: found.account });
    const kept = await ask('pay', {});
    return { child: found.said, own, service: kept.said };
  },
});
