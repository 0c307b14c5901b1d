/**
 * A flood: one tenant submits thousands of runs with one call each at once, while another tenant submits a single run each second.
 * Measured on the idle machine, and beside two processes that only compute. All runs of both tenants must end; the floor is the result of
 * `runs` on the same host.
 */
import { spawn } from 'node:child_process';
import type { TenantId, PrincipalId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import { inlineTool } from '@corral/tools/define';
import * as z from 'zod';
import { round, summarize, type Figure } from './measure.ts';
import { benchWorld, OBSERVE, settled, type BenchWorld } from './world.ts';

const FLOOD = 'bench' as TenantId;
const OTHER = 'other' as TenantId;
/** Number of runs of each flood; the variable FLOOD overrides it. */
const SIZES = (process.env['FLOOD'] ?? '1000').split(',').map(Number);
/** Number of runs for measuring the throughput without a flood. */
const FEW = 300;
const PASSES = 3;
const PROBE_MS = 1_000;
const IDLE_PROBES = 10;
const CALLER = `{ name: 'caller', uses: { now: 'tool:now' }, run: ({ caps }) => caps.now({}) }`;

const now = inlineTool({
  name: 'now',
  description: '',
  input: z.object({}),
  output: z.object({}),
  annotations: { readOnly: true, idempotent: true, openWorld: true, destructive: false, repeatable: false, returns: 'trusted' },
  run: () => ({}),
});

/** Interval of progress messages. */
const TELL_MS = 2_000;

/** Reports progress, because the benchmark takes minutes. On standard error, so that the figures on standard output stay clean. */
function tell(what: string, ended: number, runs: number): void {
  process.stderr.write(`${what}: ${ended} of ${runs} ended\n`);
}

/** Time of a single run of the other tenant, from submission to end. */
async function probe(world: BenchWorld, version: AgentVersion): Promise<number> {
  const began = performance.now();
  const { ended } = await world.supervisor.submit({ tenant: OTHER, version, input: {}, principal: 'other' as PrincipalId });
  const outcome = await ended;
  if (outcome.kind !== 'completed') throw new Error(`a run of the other tenant ended as ${outcome.kind}`);
  return performance.now() - began;
}

async function perSecond(world: BenchWorld, version: AgentVersion, runs: number, what: string): Promise<number> {
  const began = performance.now();
  let ended = 0;
  const told = setInterval(() => tell(what, ended, runs), TELL_MS);
  const all = await Promise.all(Array.from({ length: runs }, () => world.submit(version)));
  try {
    await Promise.all(
      all.map(async (one) => {
        const outcome = await one.ended;
        if (outcome.kind !== 'completed') throw new Error(`a run of the flood ended as ${JSON.stringify(outcome)}`);
        ended += 1;
      }),
    );
  } finally {
    clearInterval(told);
    tell(what, ended, runs);
  }
  return (runs * 1000) / (performance.now() - began);
}

/** Submits a run of the other tenant each second while `work` is going on; the first one at once. */
async function beside<T>(
  world: BenchWorld,
  version: AgentVersion,
  work: Promise<T>,
): Promise<{ readonly result: T; readonly took: number[] }> {
  const took: Promise<number>[] = [];
  const ask = () => {
    const one = probe(world, version);
    one.catch(() => undefined);
    took.push(one);
  };
  ask();
  const asking = setInterval(ask, PROBE_MS);
  try {
    return { result: await work, took: await Promise.all(took) };
  } finally {
    clearInterval(asking);
  }
}

async function floods(where: string): Promise<Figure[]> {
  const world = await benchWorld([now], { tenants: { [FLOOD]: { tools: [now], loops: { ladder: OBSERVE } }, [OTHER]: { tools: [now] } } });
  const version = await world.deploy(CALLER);
  await perSecond(world, version, FEW, `warming up${where}`);
  await probe(world, version);
  await settled(world);
  const few: number[] = [];
  for (let i = 0; i < PASSES; i++) few.push(await perSecond(world, version, FEW, `few, pass ${i + 1} of ${PASSES}${where}`));
  const idle: number[] = [];
  for (let i = 0; i < IDLE_PROBES; i++) {
    idle.push(await probe(world, version));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const floor = summarize([few]).p50;
  const quiet = summarize([idle]);
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const { result, took } = await beside(world, version, perSecond(world, version, size, `flood of ${size}${where}`));
    figures.push({
      name: `flood of ${size}${where}`,
      unit: 'runs/s',
      figure: { value: round(result) },
      floor: { value: floor },
      ratio: round(floor / result),
      passes: 1,
      note: `all ended; floor: ${FEW} at once, nobody else being there`,
    });
    const during = summarize([took]);
    figures.push({
      name: `  a run of another tenant`,
      unit: 'ms',
      figure: during,
      floor: quiet,
      ratio: round(during.p99 / quiet.p99),
      passes: 1,
      note: `one each second, from submission to end; floor: without the flood; ratio: of the p99`,
    });
  }
  await world.close();
  return figures;
}

export async function flood(): Promise<Figure[]> {
  const alone = await floods('');
  const busy = [0, 1].map(() => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  try {
    return [...alone, ...(await floods(', beside two busy processes'))];
  } finally {
    for (const process of busy) process.kill('SIGKILL');
  }
}
