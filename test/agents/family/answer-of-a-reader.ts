/** Has a child read a stranger's mail and answer with an output of some kind, and pays by whatever it is told. */
import { defineAgent, type Schema } from '@corral/guest';
import * as z from 'zod/mini';
import { code } from '../code.ts';

const reader = (name: string, output: Schema, answer: (text: string) => unknown) =>
  defineAgent({
    name,
    output,
    uses: { mail: 'tool:mail.read' },
    async run({ input, caps }) {
      const { text } = await caps.mail({});
      if ((input as { fails: boolean }).fails) throw new Error(text);
      return answer(text);
    },
  });

const readers = {
  number: reader('number', z.number(), (text) => text.length),
  boolean: reader('boolean', z.boolean(), (text) => text.includes('pay')),
  word: reader('word', z.enum(['offer', 'order']), () => 'order'),
  text: reader('text', z.string(), (text) => text),
};

export default defineAgent({
  name: 'planner',
  uses: { mail: 'tool:mail.read', pay: 'tool:payments.send' },
  spawns: readers,
  async run({ input, caps, spawn }) {
    const { kind, fails = false } = input as { kind: keyof typeof readers; fails?: boolean };
    const end = await spawn(readers[kind], { fails }, { caps: { mail: caps.mail }, budget: { calls: 1, bytes: 10_000 } }).ended;
    const said = JSON.stringify(end.kind === 'completed' ? end.output : (end as { message?: string }).message);
    const paid = await code(caps.pay({ to: 'DE02120300000000202051', amount: 1 }));
    return [said, paid === 'ok' ? 'paid' : paid];
  },
});
