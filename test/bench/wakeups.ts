/**
 * Measures wake-up hints: from the durable commit of a message for a parked run until the run is in memory, in process and through Redis.
 */
import type { RunId } from '@corral/protocol/ids';
import type { WakeUps } from '@corral/protocol/ports/machine';
import { realClock } from '@corral/supervisor';
import { InProcessWakeUps } from '@corral/supervisor/runs/wake-ups';
import { BullWakeUps } from '@corral/wakeups/bullmq';
import { Address, connect } from '@corral/wakeups/redis';
import { durations, type Figure } from './measure.ts';
import { benchWorld, settled, type BenchWorld } from './world.ts';

const PASSES = 3;
const SAMPLES = 300;
const PAIRS = 4;
const READER = `const reader = defineAgent({ name: 'reader', async run({ messages, checkpoint, state }) {
  let seen = state?.seen ?? 0;
  for (;;) { await messages.next(); seen += 1; if (seen % 50 === 0) await checkpoint({ seen }) }
} });`;
const WRITER = `{ name: 'writer', spawns: { reader }, async run({ spawn, sleep, checkpoint }) {
  const kid = spawn(reader, {}, { budget: { cpu_ms: 36000000 } });
  for (;;) { await sleep(20); await kid.send(0) }
} }`;
const LONG = { ceilings: { wall_ms: 86_400_000 }, budget: { messages: 1_000_000, cpu_ms: 86_400_000, children: 1 } };

interface Times {
  /** From the hint, which follows the durable commit immediately, until a host takes it. */
  taken: number[];
  /** From the hint until the run is in memory again. */
  woken: number[];
}

/** Records the time of each hint. Only parked runs get hints. */
class Timed implements WakeUps {
  readonly #inner: WakeUps;
  readonly given = new Map<RunId, number>();
  readonly times: Times = { taken: [], woken: [] };

  constructor(inner: WakeUps) {
    this.#inner = inner;
  }

  get trouble(): WakeUps['trouble'] {
    return this.#inner.trouble;
  }

  wake(run: RunId, at?: number): void {
    if (at === undefined && !this.given.has(run)) this.given.set(run, performance.now());
    this.#inner.wake(run, at);
  }

  subscribe(handler: Parameters<WakeUps['subscribe']>[0]): void {
    this.#inner.subscribe((run) => {
      const at = this.given.get(run);
      if (at !== undefined) this.times.taken.push(performance.now() - at);
      return handler(run);
    });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

async function sample(inner: WakeUps): Promise<{ times: Times; world: BenchWorld }> {
  const timed = new Timed(inner);
  // The sweep runs so rarely that it never finds a run before its hint.
  const world = await benchWorld([], { wakeUps: timed, residency: { sweep_ms: 60_000 } });
  const version = await world.deploy(WRITER, READER);
  await settled(world);
  world.supervisor.observe((seen) => {
    if (seen.kind !== 'woken') return;
    const at = timed.given.get(seen.run);
    if (at !== undefined) timed.times.woken.push(performance.now() - at);
    timed.given.delete(seen.run);
  });
  for (let i = 0; i < PAIRS; i++) await world.submit(version, {}, LONG);
  while (timed.times.woken.length < SAMPLES) {
    await world.supervisor.park();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return { times: timed.times, world };
}

/** One read and one durable write of the same store, the minimum for reviving a run. */
async function readAndWrite({ store }: BenchWorld): Promise<number[]> {
  const samples: number[] = [];
  const [some] = await store.runs({ limit: 1 });
  for (let i = 0; i < SAMPLES; i++) {
    const began = performance.now();
    await store.run(some?.record.id as RunId);
    await store.noteSeen('bench', i);
    samples.push(performance.now() - began);
  }
  return samples;
}

/** An entry of a stream on the same Redis, from one connection to another that waits for it. */
async function bareStream(redis: string): Promise<number[]> {
  const [gives, takes] = [connect(new Address(redis), false), connect(new Address(redis), false)];
  const samples: number[] = [];
  await gives.ping();
  for (let i = 0; i < SAMPLES; i++) {
    const taken = takes.xread('BLOCK', 5_000, 'STREAMS', 'corral-bench', '$');
    await new Promise((resolve) => setTimeout(resolve, 2));
    const began = performance.now();
    await Promise.all([
      gives.xadd('corral-bench', 'MAXLEN', 10, '*', 'run', 'x'),
      taken.then(() => samples.push(performance.now() - began)),
    ]);
  }
  await gives.del('corral-bench');
  gives.disconnect();
  takes.disconnect();
  return samples;
}

/** Measures Redis only if `CORRAL_REDIS_URL` is set. */
export async function wakeUps(): Promise<Figure[]> {
  const redis = process.env['CORRAL_REDIS_URL'];
  const figures: Figure[] = [];
  const adapters: readonly (readonly [string, () => WakeUps])[] = [
    ['in process', () => new InProcessWakeUps()],
    ...(redis === undefined ? [] : [['through Redis', () => new BullWakeUps({ redis, clock: realClock })] as const]),
  ];
  for (const [name, make] of adapters) {
    const taken: number[][] = [];
    const floors: number[][] = [];
    const figure = async () => {
      const { times, world } = await sample(make());
      taken.push(times.taken);
      floors.push(await readAndWrite(world));
      await world.close();
      return times.woken;
    };
    const woken: number[][] = [];
    for (let pass = 0; pass < PASSES; pass++) woken.push([...(await figure())]);
    figures.push(
      await durations(
        `wake-ups, ${name}`,
        PASSES,
        async () => woken.shift() ?? [],
        async () => floors.shift() ?? [],
        {
          note: 'the commit that holds a message is durable → its parked run is in memory again; floor: one read and one durable write',
        },
      ),
    );
    if (redis !== undefined && name === 'through Redis')
      figures.push(
        await durations(
          'hints, through Redis',
          PASSES,
          async () => taken.shift() ?? [],
          () => bareStream(redis),
          {
            note: 'a hint is given → a host takes it; floor: XADD → XREAD on the same Redis',
          },
        ),
      );
  }
  return figures;
}
