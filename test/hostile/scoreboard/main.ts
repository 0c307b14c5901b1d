/** `npm run scoreboard`: arguments, output and exit code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { board } from './board.ts';
import { guests, type Guest } from './guests.ts';
import { abandon } from './host.ts';
import { BOUNDS, generator } from './judge.ts';
import { markdown, picture, table } from './report.ts';

const HELP = `npm run scoreboard -- [--only NAME] [--passes N] [--seed N] [--json] [--write]

Hostile guests on a real host, each beside a neighbour of another tenant and one of its own that read all the time. Each guest runs three
times: as it is, killed in the middle, and paused and resumed in the middle. Measured from outside: how it ends, how long past its limit,
the neighbours' longest gap, the longest block of the host's loop, and the memory of host and cells.

  --only NAME    guests whose name has this in it; may be given several times
  --passes N     how often each guest is tried (1); medians are judged
  --worst        judge the worst pass instead of the median
  --seed N       sizes and moments of the guests follow from it (random, and printed)
  --sizes WHICH  least or most: each guest at a bound of its sizes, instead of what the seed draws
  --slice N      N guests that the seed picks
  --lenient      outcomes alone are judged, as on a machine that is busy
  --fresh        a host of its own for each guest; without it, those that hurt are tried again on one
  --list         prints the guests, and runs none
  --json         prints the board as JSON
  --write        puts table and picture into test/hostile/README.md and scoreboard.svg

Ends with 1 if something did not hold: an outcome other than the guest's file says, more than ${BOUNDS.late_ms} ms past the limit, a gap of more
than ${BOUNDS.gap_ms} ms, a block of more than ${BOUNDS.block_ms} ms, a p99 of the gaps of more than ${BOUNDS.gap_p99_ms} ms, more than ${BOUNDS.stop_ms} ms for a kill or a pause,
more memory than the run's ceiling and ${BOUNDS.cell_slack_mib} MiB in a cell, or ${BOUNDS.host_grown_mib} MiB more in the host. The machine should do nothing else meanwhile.

Examples:
  npm run scoreboard -- --only memory/ --seed 7
  npm run scoreboard -- --passes 10 --worst --write
  npm run scoreboard -- --slice 10 --lenient --json
`;
const README = new URL('../README.md', import.meta.url);
const PICTURE = new URL('../scoreboard.svg', import.meta.url);
const [BEGIN, END] = ['<!-- scoreboard: begin -->', '<!-- scoreboard: end -->'];

const BY_CRANK = new Set(['exceeded(cpu)', 'exceeded(memory)']);
/** Exit code of a program that a signal ended. */
const INTERRUPTED = 130;

const OPTIONS = {
  only: { type: 'string', multiple: true, default: [] as string[] },
  passes: { type: 'string', default: '1' },
  seed: { type: 'string' },
  sizes: { type: 'string' },
  slice: { type: 'string' },
  worst: { type: 'boolean', default: false },
  lenient: { type: 'boolean', default: false },
  fresh: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

const whole = (name: string, text: string, least: number): number => {
  const value = Number(text);
  return Number.isInteger(value) && value >= least ? value : fail(`--${name} takes a whole number from ${least}, not ${text}.`);
};

function picked(all: readonly Guest[], only: readonly string[], slice: number | undefined, seed: number): Guest[] {
  const unknown = only.find((name) => !all.some((guest) => guest.name.includes(name)));
  if (unknown !== undefined) fail(`No guest has ${unknown} in its name; --list prints all.`);
  const left = all.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  if (slice === undefined) return left;
  const draw = generator(seed);
  const taken: Guest[] = [];
  while (taken.length < slice && left.length > 0) taken.push(...left.splice(draw(0, left.length - 1), 1));
  return taken;
}

const SIZES = { least: 0, most: 1 } as const;

/** A guest at one bound of its sizes. */
const sized = (guest: Guest, which: keyof typeof SIZES): Guest => ({
  ...guest,
  vary: Object.fromEntries(Object.entries(guest.vary ?? {}).map(([name, bounds]) => [name, [bounds[SIZES[which]], bounds[SIZES[which]]]])),
});

/** On a busy machine a crank holds its cell for as long as one may before it has used its CPU time or its memory. */
const patiently = (guest: Guest): Guest => {
  const ends = [guest.ends].flat();
  return ends.some((one) => BY_CRANK.has(one)) ? { ...guest, ends: [...ends, 'exceeded(crank_wall)'] } : guest;
};

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : whole('seed', values.seed, 0);
  const slice = values.slice === undefined ? undefined : whole('slice', values.slice, 1);
  const passes = whole('passes', values.passes, 1);
  const { sizes } = values;
  if (sizes !== undefined && sizes !== 'least' && sizes !== 'most') fail(`--sizes takes least or most, not ${sizes}.`);
  const drawn = picked(await guests(), values.only, slice, seed);
  const taken = sizes === undefined ? drawn : drawn.map((guest) => sized(guest, sizes));
  if (values.list) {
    process.stdout.write(`${taken.map(({ name, does }) => `${name.padEnd(28)} ${does}`).join('\n')}\n`);
    return 0;
  }
  if (values.write && (values.only.length > 0 || slice !== undefined || sizes !== undefined))
    fail('--write puts down all guests at drawn sizes; leave --only, --slice and --sizes out.');
  const say = (text: string) => process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
  const tell = (text: string) => process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}${text}\n`);
  tell(`seed ${seed}`);
  const { worst, lenient, fresh } = values;
  const made = await board({ guests: lenient ? taken.map(patiently) : taken, passes, seed, worst, lenient, fresh, say, tell });
  if (process.stderr.isTTY) say('');
  process.stdout.write(values.json ? `${JSON.stringify(made, null, 2)}\n` : `${table(made)}\n`);
  if (values.write) {
    const [before = '', rest = ''] = readFileSync(README, 'utf8').split(BEGIN);
    writeFileSync(README, `${before}${BEGIN}\n${markdown(made)}\n${END}${rest.split(END)[1] ?? ''}`);
    writeFileSync(PICTURE, picture(made));
  }
  const p99 = Math.max(made.gap_p99_ms.own, made.gap_p99_ms.other);
  const spread = lenient || p99 <= BOUNDS.gap_p99_ms;
  if (!spread) process.stderr.write(`The p99 of the gaps is ${Math.round(p99)} ms; it may be ${BOUNDS.gap_p99_ms}.\n`);
  return made.held === made.rows.length && spread ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    abandon();
    process.exit(INTERRUPTED);
  });
}
process.exit(await main());
