/** The passes of a scoreboard: all guests, on one host after the other, and an honest guest before and after them as a floor. */
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { MACHINE } from '../../bench/measure.ts';
import { agentFile } from '../../agents/file.ts';
import { BoardHost } from './host.ts';
import { faults, generator, median, over, quantile, type Figures, type Measure } from './judge.ts';
import { trial, type Trial } from './trial.ts';
import type { Guest } from './guests.ts';

export interface BoardOptions {
  readonly guests: readonly Guest[];
  readonly passes: number;
  readonly seed: number;
  /** Times and memory are measured, and not judged. */
  readonly lenient: boolean;
  /** The worst pass is judged instead of the median. */
  readonly worst: boolean;
  /** Each guest gets a host of its own. */
  readonly fresh: boolean;
  /** Progress, of which only the last is of interest. */
  readonly say: (text: string) => void;
  /** A fault, as soon as it is seen. */
  readonly tell: (text: string) => void;
}

export interface Row {
  readonly name: string;
  readonly does: string;
  readonly expected: string;
  readonly outcome: string;
  /** Medians over the passes, and the worst of them. */
  readonly figures: Readonly<Record<Measure, number | null>>;
  readonly worst: Readonly<Record<Measure, number | null>>;
  readonly faults: readonly string[];
  /** Faults of the same guest alone on a fresh host; undefined if it was not suspected of hurting. */
  readonly alone: readonly string[] | undefined;
}
export interface Board {
  /** State of the code that was measured, as git names it. */
  readonly commit: string;
  readonly machine: typeof MACHINE;
  readonly seed: number;
  readonly passes: number;
  readonly lenient: boolean;
  readonly load: { readonly before: number; readonly after: number; readonly median: number };
  /** The same measured beside an honest guest, before and after the others. */
  readonly floor: { readonly before: Floor; readonly after: Floor };
  /** 99 of 100 gaps of the neighbours, over all guests, were shorter. Milliseconds. */
  readonly gap_p99_ms: { readonly own: number; readonly other: number };
  readonly rows: readonly Row[];
  readonly held: number;
}
/** `overhead_ms`: its time from admission to the answer that it has ended, beyond its CPU time: no guest can be less late. */
type Floor = Readonly<Record<'gap_other_ms' | 'gap_own_ms' | 'gap_p99_ms' | 'block_ms' | 'overhead_ms', number>>;

const MEASURES = [
  'late_ms',
  'answer_ms',
  'gap_other_ms',
  'gap_own_ms',
  'block_ms',
  'block_cpu_ms',
  'host_mib',
  'host_grown_mib',
  'cell_mib',
  'cell_over_mib',
  'kill_ms',
  'pause_ms',
  'load',
] as const satisfies readonly Measure[];

const HONEST: Guest = {
  name: 'honest',
  file: agentFile('crew/honest').file,
  does: '',
  ends: 'completed',
  limit: { cpu_ms: 0 },
};
const FLOORS = 5;

export async function board(options: BoardOptions): Promise<Board> {
  const { guests, passes, seed, say } = options;
  const before = loadavg()[0] ?? 0;
  const seen = new Map<string, Trial[]>(guests.map(({ name }) => [name, []]));
  let host = await BoardHost.start();
  try {
    const floor = { before: await floorOn(host, seed, say), after: undefined as Floor | undefined };
    for (let pass = 0; pass < passes; pass++) {
      const draw = generator(seed + pass);
      for (const [i, guest] of guests.entries()) {
        if (options.fresh || host.ended !== undefined) host = await again(host);
        say(`pass ${pass + 1} of ${passes}: ${i + 1} of ${guests.length}, ${guest.name}`);
        const made = await tried(host, guest, draw);
        seen.get(guest.name)?.push(made);
        for (const wrong of made.wrong) options.tell(`${guest.name}: ${wrong}`);
      }
    }
    const alone = new Map<string, readonly string[]>();
    for (const guest of guests) {
      const found = faults(seen.get(guest.name) ?? [], options.lenient);
      if (options.fresh || found.length === 0) continue;
      say(`alone on a fresh host: ${guest.name}`);
      host = await again(host);
      alone.set(guest.name, faults([await tried(host, guest, generator(seed))], options.lenient));
    }
    if (host.ended !== undefined) host = await again(host);
    const after = await floorOn(host, seed, say);
    return summary(options, seen, alone, { before: floor.before, after }, before);
  } finally {
    await host.close();
  }
}

/** The commit of this folder, with a mark if files differ from it. */
function commit(): string {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: import.meta.dirname, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : 'unknown';
}

/** A fault of the harness or of the host is one of the guest that it was met with. */
async function tried(host: BoardHost, guest: Guest, draw: (from: number, to: number) => number): Promise<Trial> {
  try {
    return await trial(host, guest, draw);
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const why = host.ended === undefined ? String(error) : `its host ended with ${host.ended}: ${host.said}`;
    const none = Object.fromEntries(MEASURES.map((measure) => [measure, null])) as unknown as Figures;
    const gaps = { longest: 0, all: [] };
    return { ...none, wrong: [why], outcome: host.ended === undefined ? 'not measured' : 'host died', gaps: { own: gaps, other: gaps } };
  }
}

async function again(host: BoardHost): Promise<BoardHost> {
  await host.close();
  return BoardHost.start();
}

async function floorOn(host: BoardHost, seed: number, say: (text: string) => void): Promise<Floor> {
  const draw = generator(seed);
  const trials: Trial[] = [];
  for (let i = 0; i < FLOORS; i++) {
    say(`the floor: ${i + 1} of ${FLOORS}`);
    trials.push(await tried(host, HONEST, draw));
  }
  const of = (measure: Measure) => over(trials, measure, median) ?? Number.NaN;
  const all = trials.flatMap(({ gaps }) => [...gaps.own.all, ...gaps.other.all]);
  return {
    gap_other_ms: of('gap_other_ms'),
    gap_own_ms: of('gap_own_ms'),
    gap_p99_ms: quantile(all, 0.99),
    block_ms: of('block_ms'),
    overhead_ms: of('answer_ms') - of('late_ms'),
  };
}

function summary(
  { guests, passes, seed, lenient, worst }: BoardOptions,
  seen: ReadonlyMap<string, readonly Trial[]>,
  alone: ReadonlyMap<string, readonly string[]>,
  floor: Board['floor'],
  before: number,
): Board {
  const most = (values: readonly number[]) => Math.max(...values);
  const rows = guests.map(({ name, does, ends, deploy }): Row => {
    const trials = seen.get(name) ?? [];
    const figures = (how: typeof most) =>
      Object.fromEntries(MEASURES.map((measure) => [measure, over(trials, measure, how)])) as Row['figures'];
    return {
      name,
      does,
      expected: deploy === undefined ? [ends].flat().join(' or ') : `refused(${deploy})`,
      outcome: [...new Set(trials.map(({ outcome }) => outcome))].join(', '),
      figures: figures(median),
      worst: figures(most),
      faults: faults(trials, lenient, worst ? most : median),
      alone: alone.get(name),
    };
  });
  const all = [...seen.values()].flat();
  return {
    commit: commit(),
    machine: MACHINE,
    seed,
    passes,
    lenient,
    load: { before, after: loadavg()[0] ?? 0, median: over(all, 'load', median) ?? Number.NaN },
    floor,
    gap_p99_ms: {
      own: quantile(
        all.flatMap(({ gaps }) => gaps.own.all),
        0.99,
      ),
      other: quantile(
        all.flatMap(({ gaps }) => gaps.other.all),
        0.99,
      ),
    },
    rows,
    held: rows.filter((row) => row.faults.length === 0).length,
  };
}
