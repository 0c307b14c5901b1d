/** Measures what it costs that agents of a tenant share no cell. */
import type { AgentVersion } from '@corral/protocol/model/manifest';
import { treePss } from './floors/floors.ts';
import { durations, values, type Figure } from './measure.ts';
import { FIRST, markWaiting } from './starts.ts';
import { benchWorld, settled } from './world.ts';

/** Agents of a tenant that have a run each, for the costs of cells that they do not share. */
const AGENTS = 6;

/**
 * Measures the costs if agents share no cell: the time to the first effect of an agent's first run, and the memory of a run. The floor is the
 * same host whose agents share cells.
 */
export async function isolation(): Promise<Figure[]> {
  const heard = { at: 0 };
  let release: () => void = () => undefined;
  const look = async (what: 'cold' | 'memory', by: 'tenant' | 'agent'): Promise<number[]> => {
    const door = new Promise<void>((resolve) => (release = resolve));
    const tool = markWaiting(() => ((heard.at = performance.now()), door));
    const settings = { tools: [tool], cells: AGENTS + 1, isolation: () => by };
    const world = await benchWorld([tool], { tenants: { bench: settings }, maxCells: 4 * AGENTS });
    const versions: AgentVersion[] = [];
    for (let i = 0; i <= AGENTS; i++) versions.push(await world.deploy(FIRST.replace("'first'", `'first${i}'`)));
    const started = async (version: AgentVersion) => {
      heard.at = 0;
      const run = await world.submit(version);
      const accepted = performance.now();
      while (heard.at === 0) await new Promise((resolve) => setImmediate(resolve));
      return { run, took: heard.at - accepted };
    };
    const first = await started(versions[0] as AgentVersion);
    await settled(world);
    const before = treePss(process.pid);
    const samples: number[] = [];
    const all = [first.run];
    for (const version of versions.slice(1)) {
      const { run, took } = await started(version);
      samples.push(took);
      all.push(run);
      await settled(world);
    }
    const each = (treePss(process.pid) - before) / AGENTS;
    release();
    await Promise.all(all.map((run) => run.ended));
    await world.close();
    return what === 'cold' ? samples : [each];
  };
  return [
    await durations(
      'isolation cold-start',
      2,
      async () => look('cold', 'agent'),
      async () => look('cold', 'tenant'),
      {
        note: 'first effect of an agent’s first run where agents share no cell; floor: where they do',
      },
    ),
    await values(
      'isolation memory',
      'MiB/agent',
      'less',
      2,
      async () => (await look('memory', 'agent'))[0] as number,
      async () => (await look('memory', 'tenant'))[0] as number,
      `growth of the whole process tree’s PSS by ${AGENTS} agents with a waiting run each, spare cell included; floor: where they share cells`,
    ),
  ];
}
