/** Hosts whose hints go through Redis are killed: the next one has every wake-up, from the store. Real processes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/client/node';
import { createClient } from '@corral/protocol/api/client';
import { corral, CORRAL_MAIN } from '../command.ts';
import { shortFolder } from '../front.ts';
import { until, realTime } from '../until.ts';
import { freePort, HAS_REDIS, redisServer } from '../redis.ts';
import { spawnHost } from './chaos/process.ts';
import { agentFile } from '../agents/file.ts';

const AGENT = agentFile('family/pair-of-four');

test.skipIf(!HAS_REDIS)(
  'a host that is killed over and over loses no wake-up of a parked run, whatever Redis still knows',
  { tags: 'long' },
  async () => {
    const redis = await redisServer();
    const folder = await shortFolder();
    const data = join(folder, 'd');
    const config = join(folder, 'corral.config.json');
    await writeFile(config, JSON.stringify({ limits: { park_after_ms: 0 }, tenants: { local: {} }, wakeups: { redis: redis.url } }));
    const client = createClient(transportTo({ socket: join(data, 'corral.sock') }));
    const start = async () => {
      const process = spawnHost([CORRAL_MAIN, 'up', '--data', data, '--config', config, '--port', '0', '--json']);
      onTestFinished(() => process.kill('SIGKILL'));
      for await (const line of process.lines) {
        expect(JSON.parse(line)).toMatchObject({ up: true });
        break;
      }
      return process;
    };
    let host = await start();
    const { source, describing } = await bundleAgent(AGENT.file);
    await client.deployAgent({ body: { source, describing } });
    const runs: string[] = [];
    for (let n = 0; n < 6; n++) runs.push((await client.submitRun({ body: { agent: 'pair', input: { n } } })).run);
    for (let kills = 0; kills < 3; kills++) {
      await realTime(1_500, 'runs that sleep and wake on a host until it is killed');
      host.kill('SIGKILL');
      await host.gone;
      // The hints of the dead host are lost now and then.
      if (kills === 1) redis.ask('flushall');
      host = await start();
    }
    const outcomes: unknown[] = [];
    for (const run of runs) {
      await until(async () => (await client.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } })).outcome !== null);
      outcomes.push((await client.showRun({ params: { run: run as never } })).outcome);
    }
    expect(outcomes).toEqual(runs.map(() => expect.objectContaining({ kind: 'completed', output: 10 }) as unknown));
    host.kill('SIGTERM');
    expect(await host.gone).toBe(0);
  },
);

/** The line of doctor about a Redis. */
async function look(url: string) {
  const { code, out } = await corral(['doctor', '--json'], undefined, { CORRAL_REDIS_URL: url });
  const { checks } = JSON.parse(out) as { checks: { name: string; ok: boolean; says: string }[] };
  return { code, ...checks.find(({ name }) => name === 'Redis for wake-ups') };
}

test.skipIf(!HAS_REDIS)(
  'corral doctor says whether the Redis that is named takes hints, and works without it',
  { tags: 'long' },
  async () => {
    const redis = await redisServer('--requirepass', 's3cret');
    expect(await look(redis.url.replace('://', '://:s3cret@'))).toMatchObject({ code: 0, ok: true, says: `${redis.url} takes hints` });
    const wrong = await look(redis.url.replace('://', '://:0ther@'));
    expect(wrong).toMatchObject({ code: 0, ok: false, says: expect.stringContaining('WRONGPASS') as string });
    expect(wrong.says).not.toContain('0ther');
  },
);

test.skipIf(!HAS_REDIS)('corral doctor works where there is no such Redis, and where its address is none', { tags: 'long' }, async () => {
  expect(await look(`redis://127.0.0.1:${await freePort()}`)).toMatchObject({ code: 0, ok: false });
  expect(await look('nonsense')).toMatchObject({ code: 0, ok: false, says: expect.stringContaining('must look like') as string });
});
