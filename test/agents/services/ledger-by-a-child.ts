/** Narrows the service to a key and to two handlers, and passes it on to a child, which tries more. */
import { defineAgent } from '@corral/guest';
import { codeOf, outputOf } from '../outcomes.ts';
import { ledgerWith } from './ledger.ts';

const child = defineAgent({
  name: 'child',
  uses: { ledger: 'service:ledger' },
  async run({ caps }) {
    const ask = (key: string, on: string, message?: unknown) =>
      caps.ledger({ key, on, message }).then((reply: { sum: number }) => reply.sum, codeOf);
    return [
      await ask('order-7', 'add', { amount: 3 }),
      await ask('order-8', 'add', { amount: 3 }),
      await ask('order-7', 'spoil'),
      await ask('order-7', 'show'),
      await ask('order-7', 'show'),
    ];
  },
});

export default defineAgent({
  name: 'parent',
  uses: { ledger: 'service:ledger' },
  services: { ledger: ledgerWith({}) },
  spawns: { child },
  async run({ caps, spawn }) {
    const ledger = caps.ledger.attenuate({ where: { key: { equals: 'order-7' }, on: { in: ['add', 'show'] } }, uses: 2 });
    return outputOf(await spawn(child, {}, { caps: { ledger } }).ended);
  },
});
