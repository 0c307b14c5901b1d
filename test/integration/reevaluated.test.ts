/** Policies are tried on what was recorded: each call is put to them with the history that its run had when it was made. */
import { expect, test } from 'vitest';
import { reevaluatePolicies, type Reevaluated } from '@corral/supervisor/offline/reevaluate';
import { world, type World } from '../world.ts';
import { FREE, outputOf, PAYER, payments, policies } from './payments.ts';

const tools = [payments()];
const current = policies(tools, FREE);

async function reevaluated({ store }: World): Promise<Reevaluated[]> {
  const found: Reevaluated[] = [];
  const skipped: string[] = [];
  for await (const one of reevaluatePolicies({
    store,
    policies: () => ({ current }),
    tool: (_, name) => tools.find((tool) => tool.name === name),
    skipped: (what) => skipped.push(what),
  }))
    found.push(one);
  expect(skipped).toEqual([]);
  return found;
}

test('a re-evaluated call is the first use of its tool only if the version has not used it before, in this run or an earlier one', async () => {
  const w = await world(tools);
  const version = await w.deploy(PAYER);
  for (const times of [2, 1]) {
    const { ended } = await w.submit(version, { times });
    expect(outputOf(await ended)).toEqual(Array.from({ length: times }, () => 'paid'));
  }
  const calls = await reevaluated(w);
  expect(calls.map(({ request }) => (request.context as { call: { first_use: boolean } }).call.first_use)).toEqual([true, false, false]);
});
