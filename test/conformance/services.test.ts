import { expect, test } from 'vitest';
import { world } from '../world.ts';

/** An agent that brings a service along and writes to it, in the order it is told; its output is what came back. */
const CLERK = (uses: string, service: string) => `
import { defineAgent, defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';
const ledger = ${service};
export default defineAgent({
  name: 'clerk', uses: { ${uses} }, services: { ledger },
  async run({ input, caps }) {
    const ask = async ([key, on, message, options]) => {
      try { return await caps.ledger({ key, on, message }, options); } catch (error) { return error.code + ': ' + error.message; }
    };
    if (input.together) return Promise.all(input.together.map(ask));
    const replies = [];
    for (const one of input.calls) replies.push(await ask(one));
    return replies;
  },
});`;

const LEDGER = `defineService({
  name: 'ledger', purpose: 'keeps sums',
  key: z.string().check(z.regex(/^[a-z0-9-]+$/)),
  state: z.object({ sum: z.number(), by: z.array(z.string()) }),
  initial: { sum: 0, by: [] },
  on: {
    add: handler({ message: z.object({ amount: z.number() }), reply: z.object({ sum: z.number() }) }, async ({ message, state, from, sleep }) => {
      const before = state.sum;
      if (message.amount > 100) await sleep(5);
      state.sum = before + message.amount;
      state.by.push(from.agent);
      if (message.amount < 0) throw new Error('no amounts below zero');
      return { sum: state.sum };
    }),
    show: handler({ message: z.any(), reply: z.any() }, ({ state, key, from }) => ({ sum: state.sum, by: state.by.length, key, principal: from.principal })),
    spin: handler({ message: z.any(), reply: z.any() }, ({ state }) => { state.sum = -1; for (;;); }),
  },
})`;

test('keeps what its handlers leave, for each key by itself, and tells who wrote', async () => {
  const w = await world();
  const output = await w.run(CLERK(`ledger: 'service:ledger'`, LEDGER), {
    calls: [
      ['a', 'add', { amount: 1 }],
      ['a', 'add', { amount: 2 }],
      ['b', 'add', { amount: 5 }],
      ['a', 'show'],
    ],
  });
  expect(output).toEqual({ kind: 'completed', output: [{ sum: 1 }, { sum: 3 }, { sum: 5 }, { sum: 3, by: 2, key: 'a', principal: 'test' }] });
});
