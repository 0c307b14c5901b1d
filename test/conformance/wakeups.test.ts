/** The port for wake-ups, on each of its implementations: in process, and by BullMQ on a Redis that the test starts. */
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { WakeUps, WakeUpTrouble } from '@corral/protocol/ports/machine';
import { realClock as clock } from '@corral/supervisor';
import { InProcessWakeUps } from '@corral/supervisor/runs/wake-ups';
import { BullWakeUps } from '@corral/wakeups/bullmq';
import { Address, evictionOf, tried } from '@corral/wakeups/redis';
import { until, realTime } from '../until.ts';
import { freePort, HAS_REDIS, redisOn, redisServer } from '../redis.ts';

const run = (n: number) => `run_${String(n).padStart(12, '0')}` as RunId;

/** Wake-ups on a Redis, and what they said of their troubles. */
function onRedis(redis: string) {
  const told: (WakeUpTrouble | undefined)[] = [];
  const wakeUps = new BullWakeUps({ redis, clock, onTrouble: (trouble) => told.push(trouble) });
  onTestFinished(() => wakeUps.close());
  return { wakeUps, told };
}

/** Gives a hint again and again, as is always allowed, until it has come. */
async function insist(wakeUps: WakeUps, one: RunId, came: () => boolean): Promise<void> {
  await until(() => {
    wakeUps.wake(one);
    return came();
  }, `the hint for ${one} comes`);
}

const IMPLEMENTATIONS = [
  { name: 'in process', there: true, keepsLater: false, make: async (): Promise<WakeUps> => new InProcessWakeUps() },
  {
    name: 'BullMQ on Redis',
    there: HAS_REDIS,
    keepsLater: true,
    make: async (): Promise<WakeUps> => onRedis((await redisServer()).url).wakeUps,
  },
];

describe.each(IMPLEMENTATIONS.filter(({ there }) => there))('wake-ups $name', ({ make, keepsLater }) => {
  /** Connected, with a handler that keeps what it is handed. */
  async function opened(handle: (one: RunId) => void | Promise<unknown> = () => undefined) {
    const wakeUps = await make();
    const came: RunId[] = [];
    wakeUps.subscribe((one) => {
      came.push(one);
      return handle(one);
    });
    await insist(wakeUps, run(0), () => came.length > 0);
    const of = (one: RunId) => came.filter((other) => other === one).length;
    return { wakeUps, came, of };
  }

  test('a hint reaches the handler, and so does one that is given when it has been handled', async () => {
    const { wakeUps, of } = await opened();
    wakeUps.wake(run(1));
    await until(async () => of(run(1)) === 1);
    await insist(wakeUps, run(1), () => of(run(1)) >= 2);
    expect(wakeUps.trouble).toBeUndefined();
  });

  test('hints for a run whose handler is pending become one, which follows; other runs do not wait for it', async () => {
    let now = 0;
    let most = 0;
    let free: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (free = resolve));
    const { wakeUps, of } = await opened(async (one) => {
      if (one !== run(1)) return;
      most = Math.max(most, (now += 1));
      await held;
      now -= 1;
    });
    wakeUps.wake(run(1));
    await until(async () => of(run(1)) === 1);
    for (let i = 0; i < 50; i++) wakeUps.wake(run(1));
    await insist(wakeUps, run(2), () => of(run(2)) > 0);
    expect(of(run(1))).toBe(1);
    free();
    await until(async () => of(run(1)) === 2);
    await insist(wakeUps, run(3), () => of(run(3)) > 0);
    expect({ most, times: of(run(1)) }).toEqual({ most: 1, times: 2 });
  });

  test('a handler that fails loses its own hint and no other', async () => {
    const { wakeUps, of } = await opened((one) => (one === run(1) ? Promise.reject(new Error('no')) : undefined));
    wakeUps.wake(run(1));
    await until(async () => of(run(1)) === 1);
    await insist(wakeUps, run(1), () => of(run(1)) >= 2);
    await insist(wakeUps, run(2), () => of(run(2)) > 0);
    expect(wakeUps.trouble).toBeUndefined();
  });

  test('a hint for later never comes early, and keeps none back that is for now', async () => {
    const at = Date.now() + 700;
    const late: number[] = [];
    const { wakeUps, of } = await opened((one) => void (one === run(1) && late.push(Date.now())));
    wakeUps.wake(run(1), at);
    wakeUps.wake(run(2), Date.now() + 3_000_000);
    await insist(wakeUps, run(2), () => of(run(2)) > 0);
    if (keepsLater) await until(async () => late.length > 0);
    else await realTime(Math.max(0, at - Date.now()) + 100, 'a hint that must not come');
    for (const when of late) expect(when).toBeGreaterThanOrEqual(at);
  });

  test('nothing is handed over once it is closed, and a hint is then no error', async () => {
    const { wakeUps, came } = await opened();
    await wakeUps.close();
    const { length } = came;
    wakeUps.wake(run(1));
    wakeUps.wake(run(1), Date.now() + 1);
    await wakeUps.close();
    await realTime(50, 'a hint that must not come');
    expect(came.length).toBe(length);
  });
});

describe.skipIf(!HAS_REDIS)('wake-ups by Redis', () => {
  test('of hosts that share their runs, one takes a hint, and another one goes on taking them when it is gone', async () => {
    const { url } = await redisServer();
    const hosts = [onRedis(url), onRedis(url)].map(({ wakeUps }) => {
      const came: RunId[] = [];
      wakeUps.subscribe((one) => void came.push(one));
      return { wakeUps, came };
    });
    const [giver] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
    const total = () => hosts.flatMap(({ came }) => came);
    await insist(giver.wakeUps, run(0), () => total().length > 0);
    for (let i = 1; i <= 100; i++) giver.wakeUps.wake(run(i));
    await until(async () => new Set(total()).size === 101);
    const first = total().filter((one) => one !== run(0));
    expect(first.length).toBe(100);
    await hosts[1]?.wakeUps.close();
    await insist(giver.wakeUps, run(101), () => giver.came.includes(run(101)));
  });

  test('a flush loses what waited, and nothing that comes after it', async () => {
    const server = await redisServer();
    const { wakeUps, told } = onRedis(server.url);
    const came: RunId[] = [];
    wakeUps.subscribe((one) => void came.push(one));
    await insist(wakeUps, run(0), () => came.length > 0);
    for (let i = 1; i <= 5; i++) {
      wakeUps.wake(run(i), Date.now() + 3_000_000);
      server.ask('flushall');
      await insist(wakeUps, run(i), () => came.includes(run(i)));
    }
    expect(told).toEqual([]);
  });

  test('keeps nothing of a hint that was taken, and takes none that is too far ahead', async () => {
    const server = await redisServer();
    const { wakeUps } = onRedis(server.url);
    const came: RunId[] = [];
    wakeUps.subscribe((one) => void came.push(one));
    await insist(wakeUps, run(0), () => came.length > 0);
    for (let i = 1; i <= 50; i++) wakeUps.wake(run(i));
    wakeUps.wake(run(99), Date.now() + 2 * 3_600_000);
    await until(async () => came.includes(run(50)));
    await insist(wakeUps, run(51), () => came.includes(run(51)));
    const left = () =>
      server
        .ask('keys', '*')
        .split('\n')
        .filter((key) => /run_|:\d+$/.test(key));
    await until(async () => left().length === 0);
    expect(left()).toEqual([]);
  });

  test.each(['SIGSTOP', 'SIGKILL'] as const)(
    'a Redis that gets %s is told of, keeps nobody waiting, and takes hints again later',
    async (signal) => {
      const server = await redisServer();
      const { wakeUps, told } = onRedis(server.url);
      const came: RunId[] = [];
      wakeUps.subscribe((one) => void came.push(one));
      await insist(wakeUps, run(0), () => came.length > 0);
      server.signal(signal);
      for (let i = 0; i < 5_000; i++) wakeUps.wake(run(i));
      await until(async () => wakeUps.trouble !== undefined);
      expect(wakeUps.trouble?.error).toMatchObject({ code: 'CORRAL_REDIS_UNREACHABLE' });
      if (signal === 'SIGSTOP') server.signal('SIGCONT');
      else await server.start();
      await until(async () => wakeUps.trouble === undefined);
      expect(told.at(-1)).toBeUndefined();
      const before = came.length;
      await insist(wakeUps, run(7), () => came.lastIndexOf(run(7)) >= before);
    },
  );

  test('one that was not there at the start is found later', async () => {
    const port = await freePort();
    const { wakeUps, told } = onRedis(`redis://127.0.0.1:${port}`);
    const came: RunId[] = [];
    wakeUps.subscribe((one) => void came.push(one));
    await until(async () => wakeUps.trouble?.error.code === 'CORRAL_REDIS_UNREACHABLE');
    await redisOn(port);
    await insist(wakeUps, run(1), () => came.length > 0);
    await until(async () => wakeUps.trouble === undefined);
    expect(told.at(-1)).toBeUndefined();
  });

  test.each([
    {
      what: 'another password',
      more: ['--requirepass', 'other'],
      user: ':s3cret/p%40ss@',
      code: 'CORRAL_REDIS_REFUSED',
      says: 'WRONGPASS',
    },
    { what: 'a password that nobody gave', more: ['--requirepass', 'other'], user: '', code: 'CORRAL_REDIS_REFUSED', says: 'NOAUTH' },
    { what: 'no memory left', more: ['--maxmemory', '1mb'], user: '', code: 'CORRAL_REDIS_REFUSED', says: 'OOM' },
    {
      what: 'a policy that evicts',
      more: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'],
      user: '',
      code: 'CORRAL_REDIS_EVICTS',
      says: 'allkeys-lru',
    },
  ])('$what is told of with a code, once, and without the password', async ({ more, user, code, says }) => {
    const server = await redisServer(...more);
    const { wakeUps, told } = onRedis(server.url.replace('://', `://${user.replaceAll('/', '%2F')}`));
    wakeUps.subscribe(() => undefined);
    await until(async () => {
      wakeUps.wake(run(1));
      return wakeUps.trouble !== undefined;
    });
    await realTime(500, 'a connection that keeps being refused');
    expect(told.map((one) => one?.error.code)).toEqual([code]);
    const all = JSON.stringify(told) + String(told[0]?.error.stack) + String(told[0]?.error.cause);
    expect(all).toContain(says);
    expect(all).not.toMatch(/s3cret|p@ss|p%40ss/);
  });

  test('a password with signs in it is given as it is', async () => {
    const server = await redisServer('--requirepass', 's3cret/p@ss%41');
    const { wakeUps } = onRedis(server.url.replace('://', `://:${encodeURIComponent('s3cret/p@ss%41')}@`));
    const came: RunId[] = [];
    wakeUps.subscribe((one) => void came.push(one));
    await insist(wakeUps, run(1), () => came.length > 0);
    expect(wakeUps.trouble).toBeUndefined();
  });

  test('what somebody else answers at that address is told in a line without control characters', { tags: 'long' }, async () => {
    const says = `NOPERM \u001b[2J\u202e${'no '.repeat(50_000)}`;
    const stranger = createServer((socket) => socket.on('data', () => socket.write(`-${says}\r\n`)).on('error', () => undefined));
    await new Promise<void>((done) => stranger.listen(0, '127.0.0.1', done));
    onTestFinished(() => void stranger.close());
    const redis = `redis://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const { wakeUps } = onRedis(redis);
    await until(async () => wakeUps.trouble !== undefined);
    const errors = [
      wakeUps.trouble?.error,
      await tried(new Address(redis)),
      evictionOf(new Address(redis), `maxmemory_policy:${says.slice(7)}`),
    ];
    for (const error of errors) {
      expect(error?.message).toMatch(/^[\x20-\x7e…]{40,600}$/);
    }
  });

  test.each([
    '127.0.0.1:6379',
    'http://:s3cret@host:1',
    'redis://',
    'redis://:s3cret@host/zero',
    'redis://host:port',
    'redis://:s3cret%@host',
  ])('an address that is none is refused without being repeated: %s', (redis) => {
    let error: unknown;
    try {
      onRedis(redis);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'CORRAL_CONFIG_INVALID' });
    expect(String(error)).not.toContain('s3cret');
  });
});
