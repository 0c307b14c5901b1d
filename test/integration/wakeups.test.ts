/** A whole host whose hints go through a Redis that is flushed, stopped or killed: every run still ends. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { WakeUps } from '@corral/protocol/ports/machine';
import { front, type Front } from '../front.ts';
import type { Store } from '@corral/protocol/ports/store';
import { InProcessWakeUps } from '@corral/supervisor/runs/wake-ups';
import { until } from '../until.ts';
import { world } from '../world.ts';
import { freePort, HAS_REDIS, redisOn, redisServer, type RedisServer } from '../redis.ts';
import { agentFile } from '../agents/file.ts';

/** Parks whatever waits at each look, so that each message and each timer is one of a parked run. */
const host = (redis: string, more: object = {}) =>
  front({ configText: JSON.stringify({ limits: { park_after_ms: 0 }, tenants: { local: {} }, wakeups: { redis, ...more } }) });

/** Sleeps long enough to be parked, then writes to a child that is parked by then; as many rounds as its input says. */
const PAIR = agentFile('family/pair');

const RUNS = 4;
const ROUNDS = 2;
const SUM = (ROUNDS * (ROUNDS + 1)) / 2;

async function pairs({ admin, deploy }: Front): Promise<RunId[]> {
  await deploy(PAIR);
  const made = Array.from({ length: RUNS }, (_, n) => admin.submitRun({ body: { agent: 'pair', input: { n, rounds: ROUNDS } } }));
  return (await Promise.all(made)).map(({ run }) => run);
}

/** How each of them ended. */
async function ends({ admin }: Front, runs: readonly RunId[]): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  for (const run of runs) {
    await until(async () => (await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).outcome !== null);
    const { outcome } = await admin.showRun({ params: { run } });
    outcomes.push([outcome?.kind, outcome?.kind === 'completed' ? outcome.output : undefined]);
  }
  return outcomes;
}
const ALL = Array.from({ length: RUNS }, () => ['completed', SUM]);

/** Does something again and again until the test is over, or what is returned is called. */
function again(every_ms: number, what: () => void): () => void {
  const timer = setInterval(what, every_ms);
  onTestFinished(() => clearInterval(timer));
  return () => clearInterval(timer);
}

/** How often BullMQ has asked Redis for something since it was started. */
const asked = (redis: RedisServer) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(redis.ask('info', 'commandstats'))?.[1] ?? 0);

describe.skipIf(!HAS_REDIS)('a host whose hints go through Redis', () => {
  test('loses nothing when all of it is flushed over and over, with runs that wait for timers and messages', { tags: 'long' }, async () => {
    const redis = await redisServer();
    const there = await host(redis.url);
    const woken: string[] = [];
    onTestFinished(there.host.door.host.observe(({ kind }) => void (kind === 'woken' && woken.push(kind))));
    const runs = await pairs(there);
    again(50, () => void redis.ask('flushall'));
    expect(await ends(there, runs)).toEqual(ALL);
    expect(woken.length).toBeGreaterThan(RUNS);
    expect(asked(redis)).toBeGreaterThan(0);
  });

  const AWAY = 'says so without being down, and uses it again when it is back';
  test(`ends every run while Redis is away by SIGKILL, ${AWAY}`, { tags: 'long' }, () => expectAllEnd('SIGKILL'));
  test(`ends every run while Redis is away by SIGSTOP, ${AWAY}`, { tags: 'long' }, () => expectAllEnd('SIGSTOP'));

  async function expectAllEnd(signal: 'SIGSTOP' | 'SIGKILL') {
    const redis = await redisServer();
    const there = await host(redis.url);
    const { admin } = there;
    expect(await admin.ready({})).toMatchObject({ ready: true, degraded: [] });
    const runs = await pairs(there);
    redis.signal(signal);
    await until(async () => (await admin.ready({})).degraded.length > 0);
    expect(await admin.ready({})).toMatchObject({
      ready: true,
      why: null,
      reasons: [],
      degraded: [{ what: 'wakeups', code: 'CORRAL_REDIS_UNREACHABLE' }],
    });
    expect(await ends(there, runs)).toEqual(ALL);
    if (signal === 'SIGSTOP') redis.signal('SIGCONT');
    else await redis.start();
    await until(async () => (await admin.ready({})).degraded.length === 0);
    const before = asked(redis);
    const later = await pairs(there);
    expect(await ends(there, later)).toEqual(ALL);
    expect(asked(redis)).toBeGreaterThan(before);
  }

  test(
    'starts where there is none, and where its secret is missing, and says what to do, to strangers without where it is',
    { tags: 'long' },
    async () => {
      const port = await freePort();
      const there = await host(`redis://127.0.0.1:${port}`);
      await until(async () => (await there.admin.ready({})).degraded.length > 0);
      const open = async ({ url }: Front) => (await fetch(`${url}/readyz`)).text();
      expect(await open(there)).toContain('wakeups.redis');
      expect(await open(there)).not.toContain(`:${port}`);
      const runs = await pairs(there);
      await redisOn(port);
      await until(async () => (await there.admin.ready({})).degraded.length === 0);
      expect(await ends(there, runs)).toEqual(ALL);

      const configText = JSON.stringify({
        secrets: { redis: { env: 'NO_SUCH_VARIABLE' } },
        wakeups: { redis: `redis://127.0.0.1:${port}`, password: 'redis' },
      });
      const other = await front({ configText });
      expect((await other.admin.ready({})).degraded).toMatchObject([{ what: 'wakeups', code: 'CORRAL_SECRET_MISSING' }]);
      expect(await open(other)).not.toContain('NO_SUCH_VARIABLE');
    },
  );

  test('takes its password from a secret, and what is logged, shown and kept of it is never the password', async () => {
    const redis = await redisServer('--requirepass', 's3cret/p@ss');
    const logged: unknown[][] = [];
    const note = (...args: unknown[]) => void logged.push(args);
    const logger = { warn: note, error: note, info: note, debug: note, trace: note, fatal: note, level: 'trace', child: () => logger };
    const config = (password: string) => ({
      configText: JSON.stringify({ secrets: { redis: { env: 'PW' } }, wakeups: { redis: redis.url, password: 'redis', prefix: 'mine' } }),
      env: { ...process.env, PW: password },
      logger: logger as never,
    });
    const right = await front(config('s3cret/p@ss'));
    await until(async () => redis.ask('keys', 'mine:*') !== '');
    expect((await right.admin.ready({})).degraded).toEqual([]);
    const wrong = await front(config('wr0ng/p@ss'));
    await until(async () => (await wrong.admin.ready({})).degraded.length > 0);
    expect((await wrong.admin.ready({})).degraded).toMatchObject([{ code: 'CORRAL_REDIS_REFUSED' }]);
    const all = JSON.stringify([logged, await wrong.admin.ready({}), await wrong.admin.showConfig({})], (_, value: unknown) =>
      value instanceof Error ? `${value.stack} ${JSON.stringify(Object.getOwnPropertyDescriptors(value))}` : value,
    );
    expect(all).toContain('WRONGPASS');
    expect(all).not.toMatch(/s3cret|wr0ng|p@ss|p%40ss/);
  });

  test('takes its address from the environment where the configuration says nothing', async () => {
    const redis = await redisServer();
    await front({ env: { ...process.env, CORRAL_REDIS_URL: redis.url } });
    await until(async () => redis.ask('keys', 'corral:*') !== '');
    await expect(front({ env: { ...process.env, CORRAL_REDIS_URL: 'http://:s3cret@host' } })).rejects.toMatchObject({
      code: 'CORRAL_CONFIG_INVALID',
      message: expect.not.stringContaining('s3cret') as string,
    });
  });
});

/** A store that counts how many looks at each run are under way at once, and the most there were. */
function counting(store: Store, underway: Map<RunId, number>, most: Map<RunId, number>): Store {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== 'function') return member;
      if (name !== 'run' && name !== 'inbox') return member.bind(target);
      return async (id: RunId, ...more: unknown[]) => {
        const now = (underway.get(id) ?? 0) + 1;
        underway.set(id, now);
        most.set(id, Math.max(most.get(id) ?? 0, now));
        try {
          return await (member.call(target, id, ...more) as Promise<unknown>);
        } finally {
          underway.set(id, (underway.get(id) ?? 1) - 1);
        }
      };
    },
  });
}

/** Wake-ups that know how many hints are being followed. */
class Followed extends InProcessWakeUps {
  following = 0;

  override subscribe(handler: Parameters<WakeUps['subscribe']>[0]): void {
    super.subscribe((run) => {
      const followed = handler(run);
      if (!(followed instanceof Promise)) return followed;
      this.following += 1;
      return followed.finally(() => (this.following -= 1));
    });
  }
}

test('a host looks at most once at a time for a run, however many hints come for it, of runs that are there, parked or nobody’s', async () => {
  const wakeUps = new Followed();
  const underway = new Map<RunId, number>();
  const most = new Map<RunId, number>();
  const through = (store: Store) => counting(store, underway, most);
  const w = await world([], { wakeUps, through, residency: { sweep_ms: 600_000, park_after_ms: 0 } });
  // It waits for a timer: one that nobody could write to would end at once.
  const { id } = await w.submit(await w.deploy(`{ name: 'waits', async run({ sleep }) { await sleep(500_000) } }`));
  await w.until(id, (view) => view?.waiting === 'timer');
  const flood = async (run: RunId) => {
    await until(() => wakeUps.following === 0 && (underway.get(run) ?? 0) === 0);
    most.clear();
    for (let i = 0; i < 1_000; i++) wakeUps.wake(run);
    await until(() => wakeUps.following === 0 && (underway.get(run) ?? 0) === 0);
    return most.get(run);
  };
  expect(await flood(id)).toBe(1);
  // It does not leave while its crank is being written down.
  await until(async () => {
    await w.supervisor.park();
    return w.supervisor.view(id) === undefined;
  });
  expect(await flood(id)).toBe(1);
  // The hints found it: it is back.
  expect(w.supervisor.view(id)?.waiting).toBe('timer');
  expect(await flood('run_000000000000' as RunId)).toBe(1);
});

test.each([
  [{ redis: 'redis://:s3cret@host:6379' }, 'holds a password: name a secret as `wakeups.password` instead'],
  [{ redis: 'http://host:6379' }, 'must be an address such as redis://'],
  [{ redis: 'redis://host:6379/zero' }, 'must be an address such as redis://'],
  [{ redis: 'redis://us%er@host:6379' }, 'must be an address such as redis://'],
  [{ redis: 'redis://host:6379', password: 'nobody' }, 'there is no secret nobody'],
])('a configuration of wake-ups that cannot be meant is refused, and says how: %j', async (wakeups, says) => {
  const refused = await front({ configText: JSON.stringify({ wakeups }) }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'CORRAL_CONFIG_INVALID', message: expect.stringContaining(says) as string });
  expect(String(refused)).not.toContain('s3cret');
});
