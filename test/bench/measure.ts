/** How everything here is measured: figure and floor in turn, several passes in one run, medians over passes. */
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
  /** What nothing could go below on this machine, measured in the same run. */
  readonly floor: Summary | { readonly value: number };
  /** Figure over floor, of the medians; for rates, floor over figure. So 1 is the best there is, and less is better. */
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

/** Medians over passes of each pass's own p50 and p99. */
export function summarize(passes: readonly (readonly number[])[]): Summary {
  const sorted = passes.map((samples) => [...samples].sort((a, b) => a - b));
  return {
    p50: round(median(sorted.map((one) => at(one, 0.5)))),
    p99: round(median(sorted.map((one) => at(one, 0.99)))),
    samples: passes.reduce((sum, one) => sum + one.length, 0),
  };
}

/** On a terminal, what is going on; nothing that would end up in a file. */
function progress(name: string, pass: number, passes: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${name}: pass ${pass + 1} of ${passes}${pass + 1 === passes ? '\n' : ''}`);
}

/** Durations: each pass gives samples. */
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

/** Values of which one comes out of each pass: rates (more is better) or sizes (less is better). */
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
