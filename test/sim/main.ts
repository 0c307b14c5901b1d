/** The command line of the simulator; see `--help`. */
import { parseArgs } from 'node:util';
import { Findings } from './findings.ts';
import type { Temper } from './temper.ts';
import type { Result } from './world.ts';

const HELP = `Simulated worlds, one a seed: hosts, cells, disks and tools that fail, and an oracle that knows what must hold.

  npm run sim -- [options]

  --seeds N          this many seeds; stops at the first violation         (200)
  --from S           the first seed                                        (1)
  --minutes N        fresh seeds from a random base, for N minutes; goes on after a violation
  --seed X           one seed; with --verbose, everything that happens in it
  --keep             go on after a violation
  --stories          the seeds that once broke an invariant, as they were recorded
  --wrong PART       of these, those at which the product, the oracle or the world was at fault
  --supervisors N    so many hosts on one disk, each with a lease; they stand still, are slow and get lost  (1)
  --race N           park against wake, until N races have been run
  --mutation NAME    with a bug put in on purpose; --mutation list names them
  --help

Examples

  npm run sim -- --minutes 5                     is a landing sound on seeds that nobody has tried?
  npm run sim -- --seed 7745 --verbose           what happened in that world
  npm run sim -- --seeds 500 --mutation skip-embargo

Ends with 1 if an invariant was broken, with 2 if a mutation was never loaded.`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    race: { type: 'string' },
    mutation: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    stories: { type: 'boolean', default: false },
    wrong: { type: 'string' },
    supervisors: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** Parses a count or a seed. */
function whole(name: 'seeds' | 'from' | 'seed' | 'race' | 'supervisors', text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= (name === 'from' || name === 'seed' ? 0 : 1)) return value;
  console.error(`--${name} takes a whole number, not ${JSON.stringify(text)}. Try --help.`);
  process.exit(2);
}

if (values.help) {
  console.log(HELP);
  process.exit(0);
}
if (values.mutation !== undefined) {
  const { mutate } = await import('./mutations.ts');
  const { MUTATIONS } = await import('./planted.ts');
  if (values.mutation === 'list') {
    for (const name of Object.keys(MUTATIONS)) console.log(name);
    process.exit(0);
  }
  mutate(values.mutation);
}
// Imported only now, so that the modules are loaded with the mutation.
const { World } = await import('./world.ts');
const { FLEET } = await import('./temper.ts');

let world: InstanceType<typeof World> | undefined;
// Reset once all worlds have ended without a violation.
process.exitCode = 1;
const lost = (error: unknown) => {
  const what = `something was thrown that nobody caught: ${error instanceof Error ? error.stack : String(error)}`;
  if (world?.host === undefined) console.error(what);
  else world.oracle.broken(what);
};
process.on('unhandledRejection', lost).on('uncaughtException', lost);

const supervisors = values.supervisors === undefined ? 1 : whole('supervisors', values.supervisors);
const hosts = supervisors === 1 ? '' : ` --supervisors ${supervisors}`;
const again = (seed: number) =>
  `npm run sim -- --seed ${seed}${hosts}${values.mutation === undefined ? '' : ` --mutation ${values.mutation}`}`;

const fleet = (hosts: number): Partial<Temper> | undefined => (hosts === 1 ? undefined : { ...FLEET, supervisors: hosts });

async function one(seed: number, temper: Partial<Temper> | undefined = fleet(supervisors)): Promise<Result> {
  world = new World(seed, values.verbose, temper);
  return world.live();
}

/** Runs every story again. */
async function stories(): Promise<void> {
  const { STORIES } = await import('./stories.ts');
  const { PLAIN } = await import('./temper.ts');
  let broken = 0;
  const told = STORIES.filter(({ wrong }) => values.wrong === undefined || wrong === values.wrong);
  for (const { seeds, said, wrong, why, supervisors } of told) {
    console.log(`${said}\n  the ${wrong}: ${why}`);
    for (const seed of seeds) {
      const { violation } = await one(seed, supervisors === undefined ? PLAIN : fleet(supervisors));
      if (violation === undefined) continue;
      broken += 1;
      console.log(`  seed ${seed}: ${violation}`);
    }
  }
  console.log(`${broken} violations in ${told.flatMap(({ seeds }) => seeds).length} recorded seeds`);
  process.exitCode = broken === 0 ? 0 : 1;
}

/** Runs consecutive seeds, until `count` seeds or `minutes` are reached. */
async function many(from: number, count: number, minutes: number, goesOn: boolean): Promise<void> {
  const began = performance.now();
  const until = began + minutes * 60_000;
  const findings = new Findings();
  let told = began;
  let seeds = 0;
  // Nothing is left to happen, and the world still waits: the process would end without a word.
  const stuck = () => {
    const why = world?.oracle.violation ?? 'the world stands still: something waits for ever';
    console.log(`seed ${from + seeds}: ${why}\n  again: ${again(from + seeds)}\nfound by seed ${seeds + 1}`);
    process.exit(1);
  };
  process.once('beforeExit', stuck);
  while (seeds < count && performance.now() < until) {
    const seed = from + seeds;
    const result = await one(seed);
    seeds += 1;
    findings.add(result);
    if (result.violation !== undefined) {
      console.log(`seed ${seed}, after ${result.at_ms.toFixed(1)} ms: ${result.violation}\n  again: ${again(seed)}`);
      if (!goesOn) {
        console.log(`found by seed ${seeds}`);
        break;
      }
    }
    if (performance.now() - told > 5_000) {
      told = performance.now();
      const of = Number.isFinite(count) ? `${seeds} of ${count} seeds` : `${seeds} seeds`;
      console.log(`${of}, ${((seeds * 1000) / (told - began)).toFixed(1)} a second, ${findings.violations} violations`);
    }
  }
  process.off('beforeExit', stuck);
  for (const line of findings.summary(from, seeds, (performance.now() - began) / 1000)) console.log(line);
  process.exitCode = findings.violations === 0 ? 0 : 1;
}

if (values.race !== undefined) {
  const { race } = await import('./race.ts');
  const wanted = whole('race', values.race);
  const { races, parked, refused, lost: missing, seconds } = await race(wanted, (what) => console.log(what));
  console.log(
    `${races} races of park against wake in ${seconds.toFixed(1)} s: ${parked} times parked, ${refused} times refused, ${missing.length} wakes lost`,
  );
  for (const what of missing.slice(0, 5)) console.log(what);
  process.exitCode = missing.length === 0 && races >= wanted ? 0 : 1;
} else if (values.stories) await stories();
else if (values.minutes !== undefined) {
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) {
    console.error(`--minutes takes a number above 0, not ${JSON.stringify(values.minutes)}. Try --help.`);
    process.exit(2);
  }
  // Above the seeds that tests use, and below the largest safe integer.
  const from = values.from === undefined ? 1_000_000 + Math.floor(Math.random() * 1e12) : whole('from', values.from);
  console.log(`seeds from ${from}, for ${minutes} min`);
  await many(from, Number.POSITIVE_INFINITY, minutes, true);
} else if (values.seed === undefined)
  await many(whole('from', values.from ?? '1'), whole('seeds', values.seeds), Number.POSITIVE_INFINITY, values.keep);
else await many(whole('seed', values.seed), 1, Number.POSITIVE_INFINITY, values.keep);
