/** The totals of a host: runs by state and tenant, what they hold, and the CPU time that brought runs back. */
import { expect, test } from 'vitest';
import { front, SLEEP } from '../front.ts';
import { until } from '../until.ts';

const CONFIG = {
  tenants: { crew: { queue: 20, residents: 3, cells: 1 }, zoo: {} },
  limits: { park_after_ms: 0 },
};
/** Waits a while, and comes back to what it knew. */
const WAITER = `{ name: 'waiter', run: async ({ sleep }) => { await sleep(400); return 'back'; } }`;

test('runs are counted by tenant and state beside what each tenant may have', async () => {
  const { admin, deploy, as } = await front({ configText: JSON.stringify(CONFIG) });
  await deploy(SLEEP, { tenant: 'crew' });
  const runs: string[] = [];
  for (let i = 0; i < 5; i++) runs.push((await admin.submitRun({ body: { agent: 'sleeper', tenant: 'crew' } })).run);
  await until(async () => (await admin.totals({})).items[0]?.active === 5);
  await admin.operate({ body: { operation: 'pause', target: { run: runs[0] as never }, reason: 'to count it' } });
  const totals = await admin.totals({});
  expect(totals.items).toMatchObject([
    { tenant: 'crew', live: 5, queued: 0, active: 4, paused: 1, quarantined: 0, queue_most: 20, residents_most: 3, cells_most: 1 },
    { tenant: 'zoo', live: 0, residents: 0, cells: 0, replay_cpu_ms: 0 },
  ]);
  expect(totals.items[0]?.residents).toBeLessThanOrEqual(3);
  // A person of one tenant sees that one alone.
  const zookeeper = await as('zoo', 'operator');
  expect((await zookeeper.totals({})).items.map(({ tenant }) => tenant)).toEqual(['zoo']);
});

test('the CPU time of replay is its tenant’s, and in no run’s purse', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify(CONFIG) });
  await deploy(WAITER, { tenant: 'crew' });
  const replayed = async () => (await admin.totals({})).items.map(({ replay_cpu_ms }) => replay_cpu_ms);
  for (let i = 0; (await replayed())[0] === 0 && i < 60; i++) {
    const { run } = await admin.submitRun({ body: { agent: 'waiter', tenant: 'crew' } });
    const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    expect(outcome).toEqual({ kind: 'completed', output: 'back' });
  }
  const [crew = 0, zoo] = await replayed();
  expect(crew).toBeGreaterThan(0);
  expect(zoo).toBe(0);
});
