/** Measures the costs of surviving: to bring a run back, to keep it parked, to write its journal. */
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import { inlineTool } from '@corral/tools/define';
import { CachedScript } from '@corral/cell/image';
import { replay } from '@corral/cell/replay';
import { Session } from '@corral/cell/session';
import { builtImage } from '../image.ts';
import { BareCommits } from './floors/floors.ts';
import { durations, values, type Figure } from './measure.ts';
import { benchWorld, settled, type BenchWorld } from './world.ts';

const CLOSED = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' } as const;
const LONG = { ceilings: { wall_ms: 30 * 86_400_000 }, budget: { calls: 100_000, cpu_ms: 600_000 } };
/**
 * Makes the given number of calls, waits until it is cancelled, and then calls the tool once more: after its wait was rejected, since a
 * call that is made in a listener of `signal` is one of those that the cancel gives up.
 */
const HISTORY = `{ name: 'history', uses: { mark: 'tool:mark' }, async run({ input, caps, sleep }) {
  for (let i = 0; i < input; i++) await caps.mark({ n: i });
  await sleep(1e9).catch(() => caps.mark({ n: -1 }));
} }`;

/** How long a run that was woken may take. */
const LOST_MS = 60_000;

interface Heard {
  at: number;
}
const marker = (heard: Heard) =>
  inlineTool({
    name: 'mark',
    description: '',
    input: z.object({ n: z.number() }),
    output: z.object({}),
    annotations: CLOSED,
    run: ({ n }) => {
      if (n === -1) heard.at = performance.now();
      return {};
    },
  });

async function parkAll(world: BenchWorld, ids: readonly RunId[]): Promise<void> {
  for (const id of ids) {
    for (;;) {
      if ((await world.store.run(id))?.parked === true) break;
      await world.supervisor.park();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** The time from the request that wakes a parked run until the host hears from its agent. */
async function wake(world: BenchWorld, heard: Heard, id: RunId): Promise<number> {
  heard.at = 0;
  const began = performance.now();
  void world.supervisor.control.cancel(id, 'bench', 'bench');
  while (heard.at === 0) {
    if (performance.now() - began > LOST_MS) throw new Error(`${id} was cancelled, and nobody heard from it.`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return heard.at - began;
}

export async function resume(): Promise<Figure[]> {
  const heard = { at: 0 };
  const image = builtImage();
  const figures: Figure[] = [];
  for (const entries of [10, 100, 1_000, 10_000]) {
    const world = await benchWorld([marker(heard)]);
    const version = await world.deploy(HISTORY);
    const samples = entries > 1_000 ? 3 : 12;
    const passes = 3;
    const ids: RunId[] = [];
    // A run that stays in memory, so that the tenant keeps its cell.
    const keeper = await world.submit(version, 0, LONG);
    for (let i = 0; i < samples * passes + 1; i++) ids.push((await world.submit(version, entries - 1, LONG)).id);
    for (const id of ids) while ((await world.store.run(id))?.seq !== entries) await new Promise((resolve) => setTimeout(resolve, 10));
    await parkAll(world, ids);
    const [model] = ids.splice(0, 1) as [RunId];
    const { record } = (await world.store.run(model)) as NonNullable<Awaited<ReturnType<BenchWorld['store']['run']>>>;
    const journal = await world.store.journal(model);
    const bundle = new CachedScript((await world.store.bundle(record.bundle)) as string, 'agent.js');
    const cranks = journal.flatMap(({ seq, delivery, effects }) =>
      delivery === undefined || effects === undefined ? [] : [{ crank: seq, delivery, effects, cpu_us: 0 }],
    );
    const floor = async () =>
      Array.from({ length: samples }, () => {
        const began = performance.now();
        const { ceilings, header } = record;
        const session = new Session({
          image,
          bundle,
          memory_mib: ceilings.memory_mib,
          load_cpu_us: 0,
          config: {
            agent: record.agent,
            at: record.created_at,
            seed: header.seed,
            message_bytes: ceilings.message_bytes,
            log_bytes: ceilings.log_bytes,
            effects_per_crank: 10_000,
            effects_bytes: 4 * 1024 * 1024,
            temporal: false,
            image: 'base',
          },
        });
        replay(session, { cranks }, 0);
        const took = performance.now() - began;
        session.dispose();
        return took;
      });
    await floor();
    await wake(world, heard, keeper.id);
    figures.push(
      await durations(
        `resume ${entries} entries`,
        passes,
        async () => {
          const all: number[] = [];
          for (const id of ids.splice(0, samples)) all.push(await wake(world, heard, id));
          return all;
        },
        floor,
        { note: 'request → the host hears from the agent that was parked; floor: the same entries replayed in one raw isolate' },
      ),
    );
    await world.close();
  }
  return figures;
}

const bytesOf = async (folder: string) => {
  const data = join(folder, 'data');
  return (await readdir(data)).reduce((sum, name) => sum + statSync(join(data, name)).size, 0);
};
const p = (samples: readonly number[], share: number) =>
  samples.toSorted((a, b) => a - b)[Math.floor(samples.length * share)] ?? Number.NaN;

/**
 * Measures memory and disk for each parked run, and whether the number of parked runs affects waking and submitting. These figures have
 * no floor.
 */
export async function parked(): Promise<Figure[]> {
  const heard = { at: 0 };
  const world = await benchWorld([marker(heard)], { residency: { park_after_ms: 20, sweep_ms: 100 } });
  const version = await world.deploy(HISTORY);
  await settled(world);
  const sizes = (process.env['PARKED'] ?? '1000,10000,100000').split(',').map(Number);
  const figures: Figure[] = [];
  const all: RunId[] = [];
  const memory = () => {
    globalThis.gc?.();
    globalThis.gc?.();
    return process.memoryUsage().rss;
  };
  const start = { rss: memory(), disk: await bytesOf(world.folder) };
  let alone: { wake: number; submit: number } | undefined;
  for (const size of sizes) {
    while (all.length < size) {
      const batch = await Promise.all(Array.from({ length: Math.min(200, size - all.length) }, () => world.submit(version, 1, LONG)));
      all.push(...batch.map(({ id }) => id));
      while (world.supervisor.runs().length > 400) await new Promise((resolve) => setTimeout(resolve, 20));
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[Kparked: ${all.length} of ${size}`);
    }
    while (world.supervisor.runs().length > 0) {
      await world.supervisor.park();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const rss = (memory() - start.rss) / all.length;
    const disk = ((await bytesOf(world.folder)) - start.disk) / all.length;
    // A run in memory, so that the tenant has its cell.
    const keeper = await world.submit(version, 0, LONG);
    const wakes: number[] = [];
    // Each run is used only once, since a woken run ends.
    for (let i = 0; i < 100; i++) {
      const [id] = all.splice(Math.floor((i * all.length) / 100), 1);
      wakes.push(await wake(world, heard, id as RunId));
    }
    const submits: number[] = [];
    for (let i = 0; i < 100; i++) {
      const began = performance.now();
      const { id } = await world.submit(version, 0, LONG);
      submits.push(performance.now() - began);
      await world.supervisor.control.kill(id, 'bench', 'bench');
    }
    await world.supervisor.control.kill(keeper.id, 'bench', 'bench');
    alone ??= { wake: p(wakes, 0.99), submit: p(submits, 0.99) };
    const row = (name: string, unit: string, value: number, floor: number): Figure => ({
      name: `parked ${size}: ${name}`,
      unit,
      figure: { value: Number(value.toPrecision(4)) },
      floor: { value: Number(floor.toPrecision(4)) },
      ratio: Number((value / floor).toPrecision(3)),
      passes: 1,
      note: 'beside it, the same with the fewest parked',
    });
    figures.push(
      row('RAM a run', 'bytes', rss, rss),
      row('disk a run', 'bytes', disk, disk),
      row('wake p99', 'ms', p(wakes, 0.99), alone.wake),
      row('wake p50', 'ms', p(wakes, 0.5), alone.wake),
      row('submit p99', 'ms', p(submits, 0.99), alone.submit),
    );
  }
  await world.close();
  return figures;
}

/** Durable cranks per second, and the same rows through bare group commit. */
export async function journal(): Promise<Figure[]> {
  const echo = inlineTool({
    name: 'echo',
    description: '',
    input: z.object({ n: z.number() }),
    output: z.object({ n: z.number() }),
    annotations: { ...CLOSED, openWorld: true },
    run: (input) => input,
  });
  const LOOP = `{ name: 'loop', uses: { echo: 'tool:echo' }, async run({ input, caps }) { for (let i = 0; i < input; i++) await caps.echo({ n: i }) } }`;
  const world = await benchWorld([echo]);
  const version = await world.deploy(LOOP);
  const commits = await BareCommits.open();
  const figures: Figure[] = [];
  for (const [runs, each] of [
    [1, 3_000],
    [16, 1_000],
    [64, 400],
  ] as const) {
    const model = await world.submit(version, 3);
    await model.ended;
    const entry = (await world.store.journal(model.id))[1];
    const text = JSON.stringify(entry);
    const figure = async () => {
      const began = performance.now();
      const all = await Promise.all(Array.from({ length: runs }, () => world.submit(version, each, LONG)));
      await Promise.all(all.map((run) => run.ended));
      return (runs * (each + 1) * 1000) / (performance.now() - began);
    };
    const floor = async () => {
      const began = performance.now();
      await Promise.all(
        Array.from({ length: runs }, async () => {
          for (let i = 0; i < each; i++) await commits.commit(text);
        }),
      );
      return (runs * each * 1000) / (performance.now() - began);
    };
    await figure();
    figures.push(
      await values(
        `journal ${runs} runs`,
        'cranks/s',
        'more',
        5,
        figure,
        floor,
        'a crank is a call that waits for its commit; floor: the same rows, bare group commit',
      ),
    );
  }
  await commits.close();
  await world.close();
  return figures;
}
