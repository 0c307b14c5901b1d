/** Measures the costs of a run: to start, complete, keep and stop it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { inlineTool } from '@corral/tools/define';
import { CLOSED } from './calls.ts';
import { rawColdStarts, rawDensity, rawIsolatesPerSecond, treePss } from './floors/floors.ts';
import { durations, values, type Figure } from './measure.ts';
import { benchWorld, settled, type BenchWorld } from './world.ts';

export const mark = (then: () => void) =>
  inlineTool({ name: 'mark', description: '', input: z.object({}), output: z.object({}), annotations: CLOSED, run: () => (then(), {}) });
/** The same for a run that stays resident: its call is under way until the benchmark opens the door. */
export const markWaiting = (door: () => Promise<unknown>) =>
  inlineTool({
    name: 'mark',
    description: '',
    input: z.object({}),
    output: z.object({}),
    annotations: { ...CLOSED, openWorld: true },
    timeout_ms: 600_000,
    run: () => door().then(() => ({})),
  });
export const FIRST = `{ name: 'first', uses: { mark: 'tool:mark' }, run: ({ caps }) => caps.mark({}) }`;
const SPIN = `{ name: 'spin', ceilings: { crank_cpu_ms: 10000 }, budget: { cpu_ms: 600000 }, run() { for (;;); } }`;

/** The time from "accepted and durable" until the host gets the guest's first effect. */
export async function coldStart(
  world: BenchWorld,
  heard: { at: number },
  n: number,
  version: Awaited<ReturnType<BenchWorld['deploy']>>,
  before: () => Promise<void> = async () => undefined,
): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < n; i++) {
    await before();
    let accepted = 0;
    const stop = world.supervisor.observe((observation) => {
      if (observation.kind === 'admitted') accepted = performance.now();
    });
    const { ended } = await world.submit(version);
    await ended;
    stop();
    samples.push(heard.at - accepted);
  }
  return samples;
}

export async function coldStarts(): Promise<Figure[]> {
  const heard = { at: 0 };
  const tool = mark(() => (heard.at = performance.now()));
  const results: Figure[] = [];

  const warm = await benchWorld([tool]);
  const version = await warm.deploy(FIRST);
  await coldStart(warm, heard, 50, version);
  await settled(warm);
  results.push(
    await durations(
      'cold-start warm cell',
      7,
      () => coldStart(warm, heard, 100, version),
      async () => rawColdStarts(100),
      { note: 'accepted → the host hears the first instruction; floor: raw isolate, context, eval' },
    ),
  );
  await warm.close();

  for (const spares of [1, 0]) {
    // A tenant without a cell: each sample is the first run of a host that has just started, with a spare cell that is ready, or without
    // one.
    const figure = async () => {
      const samples: number[] = [];
      for (let i = 0; i < 4; i++) {
        const world = await benchWorld([tool], { spares });
        const made = await world.deploy(FIRST);
        if (spares > 0) await settled(world);
        samples.push(...(await coldStart(world, heard, 1, made)));
        await world.close();
      }
      return samples;
    };
    results.push(
      await durations(spares > 0 ? 'cold-start with a spare' : 'cold-start with no cell', 3, figure, async () => rawColdStarts(50)),
    );
  }
  return results;
}

export async function runs(): Promise<Figure> {
  const world = await benchWorld([mark(() => undefined)]);
  const version = await world.deploy(FIRST);
  const N = 300;
  const figure = async () => {
    const began = performance.now();
    const all = await Promise.all(Array.from({ length: N }, () => world.submit(version)));
    await Promise.all(all.map((run) => run.ended));
    return (N * 1000) / (performance.now() - began);
  };
  await figure();
  const result = await values(
    'runs',
    'runs/s',
    'more',
    5,
    figure,
    async () => rawIsolatesPerSecond(300),
    'runs of one call each, durable, submitted at once; floor: raw isolates made and thrown away, one after the other',
  );
  await world.close();
  return result;
}

async function spinning(world: BenchWorld, version: Awaited<ReturnType<BenchWorld['deploy']>>) {
  const run = await world.submit(version);
  while (world.supervisor.view(run.id)?.on_cpu !== true) await new Promise((resolve) => setTimeout(resolve, 2));
  await new Promise((resolve) => setTimeout(resolve, 60));
  return run;
}

/** A process that spins. */
async function bareSpinner() {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  await new Promise((resolve) => setTimeout(resolve, 120));
  return child;
}

export async function kill(): Promise<Figure> {
  const world = await benchWorld([]);
  const version = await world.deploy(SPIN);
  const figure = async () => {
    const samples: number[] = [];
    for (let i = 0; i < 15; i++) {
      const run = await spinning(world, version);
      const { latency_ms } = await world.supervisor.control.kill(run.id, 'bench', 'bench');
      samples.push(latency_ms);
    }
    return samples;
  };
  const floor = async () => {
    const samples: number[] = [];
    for (let i = 0; i < 15; i++) {
      const child = await bareSpinner();
      const began = performance.now();
      await new Promise((resolve) => {
        child.on('exit', resolve);
        child.kill('SIGKILL');
      });
      samples.push(performance.now() - began);
    }
    return samples;
  };
  const result = await durations('kill', 4, figure, floor, {
    note: 'request → the process of a spinning guest is gone; floor: SIGKILL of a bare spinning process',
  });
  await world.close();
  return result;
}

const state = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0];

export async function pause(): Promise<Figure> {
  const world = await benchWorld([]);
  const version = await world.deploy(SPIN);
  const figure = async () => {
    const samples: number[] = [];
    for (let i = 0; i < 15; i++) {
      const run = await spinning(world, version);
      const { latency_ms } = await world.supervisor.control.pause(run.id, 'bench', 'bench');
      samples.push(latency_ms);
      await world.supervisor.control.kill(run.id, 'bench', 'bench');
    }
    return samples;
  };
  const floor = async () => {
    const samples: number[] = [];
    for (let i = 0; i < 15; i++) {
      const child = await bareSpinner();
      const began = performance.now();
      child.kill('SIGSTOP');
      while (state(child.pid as number) !== 'T') await new Promise((resolve) => setImmediate(resolve));
      samples.push(performance.now() - began);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.on('exit', resolve));
    }
    return samples;
  };
  const result = await durations('pause', 4, figure, floor, {
    note: 'request → no thread of a spinning guest’s process can run; floor: SIGSTOP of a bare spinning process',
  });
  await world.close();
  return result;
}

export async function density(): Promise<Figure> {
  const N = 300;
  let release: () => void = () => undefined;
  const figure = async () => {
    const door = new Promise<void>((resolve) => (release = resolve));
    const world = await benchWorld([markWaiting(() => door)]);
    const version = await world.deploy(FIRST);
    // A first run, so that the tenant has its cells and everything is loaded once.
    const first = await world.submit(version);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await settled(world);
    const before = treePss(process.pid);
    const all = [];
    for (let i = 0; i < N; i++) all.push(await world.submit(version));
    while (world.supervisor.runs().some((view) => view.waiting !== 'call')) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const resident = world.supervisor.runs().filter((view) => view.residency === 'resident').length - 1;
    const each = (treePss(process.pid) - before) / resident;
    release();
    await Promise.all([first, ...all].map((run) => run.ended));
    await world.close();
    if (resident < N) throw new Error(`only ${resident} of ${N} runs stayed resident`);
    return each;
  };
  const floor = () => rawDensity(N);
  return values(
    'density',
    'MiB/run',
    'less',
    3,
    figure,
    floor,
    `growth of the whole process tree’s PSS over ${N} resident, idle runs; floor: raw isolates with a context`,
  );
}
