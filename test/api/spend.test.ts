/** Accounts above the run through the front door: who spent what, who may see it, and what is told when a bound is reached. */
import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { corral } from '../command.ts';
import { front, shortFolder } from '../front.ts';
import { until } from '../until.ts';

const WRITER = `{ name: 'writer', uses: { write: 'tool:fs.write' }, async run({ caps, input }) {
  const ends = [];
  for (let i = 0; i < input.times; i++) ends.push(await caps.write({ path: 'a' + i, text: '' }).then(() => 'ok', (error) => error.code));
  return ends;
} }`;

test('calls beyond a hard bound pause their run; the bound, what was spent and what is left are listed, each tenant its own', async () => {
  const config = {
    policies: 'none',
    files: { write: await shortFolder() },
    tenants: { local: { spend: { day: { calls: { soft: 2, hard: 3 } }, agents: { '*': { month: { calls: 100 } } } } }, other: {} },
  };
  const { admin, deploy, data, as, host } = await front({ configText: JSON.stringify(config) });
  const told: { kind: string; data: unknown }[] = [];
  host.door.feed.listen((event) => told.push(event));
  await deploy(WRITER);
  const { run } = await admin.submitRun({ body: { agent: 'writer', input: { times: 5 } } });
  await until(async () => (await admin.showRun({ params: { run } })).control === 'paused');
  await expect(admin.submitRun({ body: { agent: 'writer', input: { times: 1 } } })).rejects.toMatchObject({
    code: 'CORRAL_SPEND_EXCEEDED',
  });
  // The run is paused in memory a moment before its last commit can be read.
  await until(async () => (await admin.listSpend({ query: { by: 'day' } })).items[0]?.spent.calls === 3);
  const { items } = await admin.listSpend({ query: { by: 'day' } });
  expect(items.map(({ kind, spent }) => [kind, spent.calls])).toEqual([
    ['tenant', 3],
    ['person', 3],
    ['agent', 3],
  ]);
  expect(items[0]?.bounds).toEqual({ calls: { soft: 2, hard: 3, left: 0 } });
  const month = await admin.listSpend({ query: { by: 'month', agent: 'writer' } });
  expect(month.items).toMatchObject([{ name: 'writer', bounds: { calls: { hard: 100, left: 97 } } }]);
  const table = (await corral(['spend', '--by', 'day', '--data', data])).out.split('\n');
  expect(table[0]).toMatch(/^PERIOD +TENANT +ACCOUNT +SPENT +RESERVED +SOFT +HARD +LEFT$/);
  expect(table[1]).toMatch(/^\d{4}-\d\d-\d\d +local +all of it +calls +3 +0 +2 +3 +0$/);
  const others = await as('other', 'operator');
  expect((await others.listSpend({ query: { by: 'month' } })).items).toEqual([]);
  await expect(others.listSpend({ query: { by: 'month', tenant: 'local' } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  const events = told.filter(({ kind }) => kind === 'spend.warned' || kind === 'run.paused');
  expect(events).toMatchObject([
    { kind: 'spend.warned', tenant: 'local', data: { account: { kind: 'tenant' }, amount: 'calls', committed: 2, soft: 2 } },
    { kind: 'run.paused', run: run satisfies RunId, data: { by: 'budget' } },
  ]);
});
