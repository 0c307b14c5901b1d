/** A host that has work and does none says that it is not ready, and why; it is ready again as soon as something moves. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freezeCells } from '../frozen.ts';
import { front, HELLO, shortFolder, SLEEP } from '../front.ts';
import { until, realTime } from '../until.ts';

const CONFIG = JSON.stringify({ limits: { no_progress_ms: 1_000 }, tenants: { local: {} } });

test.skipIf(process.platform !== 'linux')(
  'a host whose cells stand still is not ready, says since when, and is ready again with the next crank',
  async () => {
    const { admin, deploy, host, url } = await front({ configText: CONFIG });
    await deploy(HELLO);
    await deploy(SLEEP);
    const heard: string[] = [];
    onTestFinished(host.door.feed.listen(({ kind }) => heard.push(kind)));
    const { run: sleeper } = await admin.submitRun({ body: { agent: 'sleeper' } });
    await until(async () => (await admin.showRun({ params: { run: sleeper } })).waiting === 'timer');
    expect((await admin.ready({})).reasons).toEqual([]);

    const thaw = freezeCells();
    const before = Date.now();
    const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
    await until(async () => (await fetch(`${url}/readyz`)).status === 503);
    const { ready, why, reasons } = await admin.ready({});
    expect({ ready, reasons }).toMatchObject({ ready: false, reasons: [{ reason: 'no_progress' }] });
    expect(why).toContain('no crank has been completed since');
    const [{ since = 0, oldest_ms = 0 } = {}] = reasons;
    expect(since).toBeGreaterThan(before - 2_000);
    expect(since).toBeLessThanOrEqual(Date.now() - 1_000);
    expect(oldest_ms).toBeGreaterThan(0);

    thaw();
    await until(async () => (await fetch(`${url}/readyz`)).status === 200);
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    // A slow machine may stall again afterwards.
    expect(heard.filter((kind) => kind.startsWith('host.')).slice(0, 2)).toEqual(['host.stalled', 'host.moves']);
  },
);

/** A host with a tool that answers once its file is there, and an agent that waits for it. */
async function withSlowTool(bounds: string) {
  const answer = join(await shortFolder(), 'answer');
  const configCode = `import { existsSync } from 'node:fs';
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  ${bounds},
  tools: [tool({ name: 'slow', description: 'slow', input: z.object({}), output: z.unknown(),
    annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' },
    run: async () => { while (!existsSync(${JSON.stringify(answer)})) await new Promise((next) => setTimeout(next, 20)); return 1; } })],
});
`;
  const made = await front({ configCode });
  await made.deploy(HELLO);
  await made.deploy(`{ name: 'waits', uses: { slow: 'tool:slow' }, run: ({ caps }) => caps.slow({}) }`);
  const { run: waiting } = await made.admin.submitRun({ body: { agent: 'waits' } });
  await until(async () => (await made.admin.showRun({ params: { run: waiting } })).waiting === 'call');
  const { run: queued } = await made.admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  const ended = async () => (await made.admin.showRun({ params: { run: queued } })).outcome !== null;
  return { ...made, ended, answer: () => writeFile(answer, '') };
}

test('runs that wait in the store alone are work too: a host with no place for them is not ready', { tags: 'long' }, async () => {
  const { admin, url, ended, answer } = await withSlowTool(
    `tenants: { local: { tools: ['*'] } }, limits: { no_progress_ms: 1_000, runs_in_memory: 1 }`,
  );
  await until(async () => (await fetch(`${url}/readyz`)).status === 503);
  const { reasons } = await admin.ready({});
  expect(reasons).toMatchObject([{ reason: 'no_progress' }]);
  expect((reasons[0] as { oldest_ms: number }).oldest_ms).toBeGreaterThan(0);
  expect(await ended()).toBe(false);
  await answer();
  await until(ended);
  await until(async () => (await fetch(`${url}/readyz`)).status === 200);
});

test('a tenant that has as many runs in memory as it may waits for itself, and its host is ready', { tags: 'long' }, async () => {
  const { host, admin, ended, answer } = await withSlowTool(
    `tenants: { local: { tools: ['*'], residents: 1 } }, limits: { no_progress_ms: 1_000 }`,
  );
  const heard: string[] = [];
  onTestFinished(host.door.feed.listen(({ kind }) => heard.push(kind)));
  await realTime(3_000, 'a host that counts as stalled after a second');
  expect(await ended()).toBe(false);
  expect((await admin.ready({})).reasons).toEqual([]);
  // The rest is work, for which a slow machine may need more than a second.
  expect(heard).not.toContain('host.stalled');
  await answer();
  await until(ended);
});
