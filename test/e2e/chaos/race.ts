/** Parking raced against waking, for real: pairs of runs of which one is parked whenever it has nothing to do, and the other writes to it. */
import type { RunId } from '@corral/protocol/ids';
import { benchWorld } from '../../bench/world.ts';
import { agentFile } from '../../agents/file.ts';

export interface RaceResult {
  /** Times that a run left memory, and times that one came back for a message that was on its way. */
  readonly parked: number;
  readonly woken: number;
  readonly messages: number;
  /** Pairs in which a message was lost or came twice. */
  readonly wrong: readonly string[];
}

/** @param races how many wake-ups of parked runs there are at least */
export async function race(races: number, say: (text: string) => void = () => undefined): Promise<RaceResult> {
  const world = await benchWorld([]);
  const counts = { parked: 0, woken: 0 };
  world.supervisor.observe(({ kind }) => {
    if (kind === 'parked' || kind === 'woken') counts[kind] += 1;
  });
  const version = await world.deploy(agentFile('family/counts-messages'));
  const budget = { messages: 1_000_000, cpu_ms: 86_400_000, children: 1 };
  const ceilings = { wall_ms: 86_400_000 };
  const wrong: string[] = [];
  let messages = 0;
  while (counts.woken < races) {
    const times = Math.min(400, Math.max(20, Math.ceil((races - counts.woken) / 8)));
    const pairs = await Promise.all(Array.from({ length: 8 }, () => world.submit(version, { times }, { budget, ceilings })));
    let over = false;
    const ends = Promise.all(pairs.map((pair) => pair.ended)).finally(() => (over = true));
    while (!over) {
      await world.supervisor.park();
      say(`${counts.woken} of ${races} wake-ups`);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
    }
    const expected = (times * (times - 1)) / 2;
    for (const [i, outcome] of (await ends).entries()) {
      messages += times;
      const ok = outcome.kind === 'completed' && outcome.output === expected;
      if (!ok) wrong.push(`${(pairs[i] as { id: RunId }).id} ${JSON.stringify(outcome)}, expected ${expected}`);
    }
    if (wrong.length > 0) break;
  }
  await world.close();
  return { ...counts, messages, wrong };
}
