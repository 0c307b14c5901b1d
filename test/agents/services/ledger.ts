/** A service that keeps sums, with handlers that go wrong in every way, and a clerk that writes to it. */
import { defineAgent, defineService, handler, type AgentDefinition, type Caps, type Uses } from '@corral/guest';
import * as z from 'zod/mini';

/** The capabilities of a turn whose service has them. */
const held = (caps: unknown) => caps as Caps<{ look: 'tool:look'; self: 'service:ledger' }>;
const any = { message: z.any(), reply: z.any() };

/** @param uses the tool that `look` and `late` call, or itself, which `again` writes to */
export const ledgerWith = (uses: Uses): AgentDefinition =>
  defineService({
    name: 'ledger',
    purpose: 'keeps sums',
    uses,
    key: z.string().check(z.regex(/^[a-z0-9-]+$/)),
    state: z.object({ sum: z.number(), said: z.array(z.number()) }),
    initial: { sum: 0, said: [] },
    ceilings: { crank_cpu_ms: 100, effects: 12 },
    on: {
      add: handler({ message: z.object({ amount: z.number() }), reply: z.object({ sum: z.number() }) }, ({ message, state }) => {
        state.sum += message.amount;
        state.said.push(message.amount);
        if (message.amount < 0) throw new Error('no amounts below zero');
        return { sum: state.sum };
      }),
      look: handler(any, async ({ state, caps, key }) => {
        state.said.push(0);
        await held(caps).look({ key });
        return state.said.length;
      }),
      show: handler(any, ({ state, key, from }) => ({ ...state, key, by: from.agent, principal: from.principal })),
      spoil: handler(any, ({ state }) => {
        state.sum = 'a lot';
        return true;
      }),
      wrong: handler({ message: z.any(), reply: z.number() }, () => 'no number' as never),
      spin: handler(any, ({ state }) => {
        state.sum = -1;
        for (;;);
      }),
      hang: handler(any, ({ state }) => {
        state.sum = -1;
        return new Promise(() => {});
      }),
      late: handler(any, ({ state, caps, sleep }) => {
        void held(caps)
          .look({})
          .then(() => (state.sum += 1000));
        void sleep(1e6);
        return 'soon';
      }),
      again: handler(any, ({ caps, key }) => held(caps).self({ key, on: 'show' }, { timeout_ms: 50 })),
    },
  });

type Call = readonly [key: string, on: string, message?: unknown, options?: { readonly timeout_ms?: number }];
interface Job {
  readonly together?: readonly Call[];
  readonly calls: readonly Call[];
  /** Whether it reads a stranger's mail first. */
  readonly mail?: boolean;
}

/** Writes to the service in the order it is told; its output is what came back, or each error's code and message. */
export const clerkOf = (ledger: AgentDefinition, more: { readonly mail?: 'tool:mail' } = {}) =>
  defineAgent({
    name: 'clerk',
    uses: { ledger: 'service:ledger', ...more },
    services: { ledger },
    async run({ input, caps }) {
      const { together, calls, mail = false } = input as Job;
      if (mail) await caps.mail?.({});
      const ask = async ([key, on, message, options]: Call) => {
        try {
          return await caps.ledger({ key, on, message }, options);
        } catch (error) {
          const { code, message: said } = error as { code: string; message: string };
          return `${code}: ${said}`;
        }
      };
      if (together !== undefined) return Promise.all(together.map(ask));
      const replies: unknown[] = [];
      for (const one of calls) replies.push(await ask(one));
      return replies;
    },
  });

export default clerkOf(ledgerWith({}));
