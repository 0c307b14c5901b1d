/** The method of all benchmarks: figure and floor alternately, several passes in one run, medians over the passes. */
import { cpus, totalmem } from 'node:os';

interface Summary {
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly figure: Summary | { readonly value: number };
  /** The lower limit on this machine, measured in the same run. */
  readonly floor: Summary | { readonly value: number };
  /** Figure divided by floor, of the medians; for rates, floor divided by figure. Lower is better, and 1 is the ideal. */
  readonly ratio: number;
  readonly passes: number;
  readonly note?: string;
}

export const MACHINE = {
  cores: cpus().length,
  cpu: cpus()[0]?.model ?? '',
  memory_gib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  platform: `${process.platform}-${process.arch}`,
};

const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
const median = (values: readonly number[]) =>
  at(
    [...values].sort((a, b) => a - b),
    0.5,
  );
export const round = (value: number) => Number(value.toPrecision(4));

/** Medians over all passes of each pass's p50 and p99. */
export function summarize(passes: readonly (readonly number[])[]): Summary {
  const sorted = passes.map((samples) => [...samples].sort((a, b) => a - b));
  return {
    p50: round(median(sorted.map((one) => at(one, 0.5)))),
    p99: round(median(sorted.map((one) => at(one, 0.99)))),
    samples: passes.reduce((sum, one) => sum + one.length, 0),
  };
}

/** Shows progress on a terminal; nothing is written if the output goes to a file. */
function progress(name: string, pass: number, passes: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${name}: pass ${pass + 1} of ${passes}${pass + 1 === passes ? '\n' : ''}`);
}

/** Measures durations: each pass gives many samples. */
export async function durations(
  name: string,
  passes: number,
  figure: () => Promise<readonly number[]>,
  floor: () => Promise<readonly number[]>,
  more: { readonly unit?: string; readonly note?: string } = {},
): Promise<Figure> {
  const figures: (readonly number[])[] = [];
  const floors: (readonly number[])[] = [];
  for (let pass = 0; pass < passes; pass++) {
    progress(name, pass, passes);
    floors.push(await floor());
    figures.push(await figure());
  }
  const summary = summarize(figures);
  const below = summarize(floors);
  return {
    name,
    unit: more.unit ?? 'ms',
    figure: summary,
    floor: below,
    ratio: round(summary.p50 / below.p50),
    passes,
    ...(more.note === undefined ? {} : { note: more.note }),
  };
}

/** Measures one value in each pass: a rate (more is better) or a size (less is better). */
export async function values(
  name: string,
  unit: string,
  better: 'more' | 'less',
  passes: number,
  figure: () => Promise<number>,
  floor: () => Promise<number>,
  note?: string,
): Promise<Figure> {
  const figures: number[] = [];
  const floors: number[] = [];
  for (let pass = 0; pass < passes; pass++) {
    progress(name, pass, passes);
    floors.push(await floor());
    figures.push(await figure());
  }
  const [a, b] = [median(figures), median(floors)];
  return {
    name,
    unit,
    figure: { value: round(a) },
    floor: { value: round(b) },
    ratio: round(better === 'less' ? a / b : b / a),
    passes,
    ...(note === undefined ? {} : { note }),
  };
}
