/** A host that has work and does none says that it is not ready, and why; it is ready again as soon as something moves. */
import { expect, onTestFinished, test } from 'vitest';
import { freezeCells } from '../frozen.ts';
import { front, HELLO, SLEEP, until } from '../front.ts';

const CONFIG = JSON.stringify({ limits: { no_progress_ms: 1_000 }, tenants: { local: {} } });

test.skipIf(process.platform !== 'linux')(
  'a host whose cells stand still is not ready, says since when, and is ready again with the next crank',
  { timeout: 120_000 },
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
    await admin.showRun({ params: { run }, query: { wait_ms: 30_000 } });
    expect(heard.filter((kind) => kind.startsWith('host.'))).toEqual(['host.stalled', 'host.moves']);
  },
);
