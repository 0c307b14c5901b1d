/**
 * Simulated worlds, one a seed: `npm run sim -- --seeds N [--from S]`, `--seed X [--verbose]` to see one again,
 * `--race N` for parking against waking, `--mutation NAME` to see whether a bug put in on purpose is found.
 */
import { parseArgs } from 'node:util';
import type { Result } from './world.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    race: { type: 'string' },
    mutation: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

if (values.mutation !== undefined) (await import('./mutations.ts')).mutate(values.mutation);
// Only now, so that a mutation is in what is loaded.
const { World } = await import('./world.ts');

let world: InstanceType<typeof World> | undefined;
// Until all worlds have been seen, something went wrong.
process.exitCode = 1;
const lost = (error: unknown) => {
  const what = `something was thrown that nobody caught: ${error instanceof Error ? error.stack : String(error)}`;
  if (world?.host === undefined) console.error(what);
  else world.oracle.broken(what);
};
process.on('unhandledRejection', lost).on('uncaughtException', lost);

const again = (seed: number) => `npm run sim -- --seed ${seed}${values.mutation === undefined ? '' : ` --mutation ${values.mutation}`}`;

async function one(seed: number): Promise<Result> {
  world = new World(seed, values.verbose);
  return world.live();
}

if (values.race !== undefined) {
  const { race } = await import('./race.ts');
  const { races, parked, refused, lost: missing, seconds } = await race(Number(values.race), (what) => console.log(what));
  console.log(
    `${races} races of park against wake in ${seconds.toFixed(1)} s: ${parked} times parked, ${refused} times refused, ${missing.length} wakes lost`,
  );
  for (const what of missing.slice(0, 5)) console.log(what);
  process.exitCode = missing.length === 0 && races >= Number(values.race) ? 0 : 1;
} else {
  const from = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const began = performance.now();
  const ends = new Map<string, number>();
  const sum = { runs: 0, cranks: 0, events: 0, hosts: 0, violations: 0 };
  let told = began;
  for (let seed = from; seed < from + count; seed++) {
    const result = await one(seed);
    sum.runs += result.runs;
    sum.cranks += result.cranks;
    sum.events += result.events;
    sum.hosts += result.hosts;
    for (const [kind, times] of result.ends) ends.set(kind, (ends.get(kind) ?? 0) + times);
    if (result.violation !== undefined) {
      sum.violations += 1;
      console.log(`seed ${seed}, after ${result.at_ms.toFixed(1)} ms: ${result.violation}\n  again: ${again(seed)}`);
      if (!values.keep) {
        console.log(`found by seed ${seed - from + 1}`);
        break;
      }
    }
    if (performance.now() - told > 5_000) {
      told = performance.now();
      console.log(`${seed - from + 1} of ${count} seeds, ${(((seed - from + 1) * 1000) / (told - began)).toFixed(1)} a second`);
    }
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `${sum.violations} violations; ${sum.runs} runs, ${sum.cranks} cranks, ${sum.hosts} hosts, ${sum.events} events in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)} seeds a second)`,
  );
  console.log(
    [...ends]
      .sort(([, a], [, b]) => b - a)
      .map(([kind, times]) => `${kind} ${times}`)
      .join(', '),
  );
  process.exitCode = sum.violations === 0 ? 0 : 1;
}
