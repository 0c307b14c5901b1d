/** States of waiting runs in lists and totals: a run that has begun is not queued, wherever it came from. */
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, shortFolder } from '../front.ts';
import { until } from '../until.ts';

// Bug queued-child: a child has its row in the list only after it has been read from the store, and often begins before that.
test('a child that waits for a person is active, and no run is counted as queued, in memory and parked', async () => {
  const write = await shortFolder();
  const configText = JSON.stringify({ policies: 'default', files: { write }, limits: { park_after_ms: 500 } });
  const { admin, deploy } = await front({ configText });
  await deploy(agentFile('family/child-that-writes'));
  await admin.submitRun({ body: { agent: 'parent' } });
  const states = async () =>
    (await admin.listRuns({ query: { live: 'true' } })).items.map(({ agent, lifecycle, waiting }) => `${agent} ${lifecycle} ${waiting}`);
  const wanted = ['child active approval', 'parent active child'];
  const alike = async () => {
    expect(await states()).toEqual(wanted);
    expect((await admin.listRuns({ query: { lifecycle: 'queued' } })).items).toEqual([]);
    expect((await admin.totals({})).items).toMatchObject([{ live: 2, queued: 0, active: 2 }]);
  };
  await until(async () => (await admin.listApprovals({})).items.length === 1);
  await alike();
  await until(async () => (await admin.listRuns({ query: { live: 'true' } })).items.every(({ residency }) => residency === 'parked'));
  await alike();
  const ages = (await admin.listRuns({ query: { live: 'true' } })).items.map(({ age_ms }) => age_ms);
  expect(ages.every((age_ms) => age_ms > 0)).toBe(true);
});
