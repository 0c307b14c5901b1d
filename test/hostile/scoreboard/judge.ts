/** The arithmetic of the scoreboard: gaps, medians, and what counts as broken. No I/O. */

/** A time in which the loop of the host was blocked. Milliseconds; `at`: its end, since 1970. */
export interface Block {
  readonly at: number;
  readonly ms: number;
  /** CPU time of the loop's thread meanwhile. */
  readonly cpu_ms: number;
}
/** Times between two calls of a neighbour. Milliseconds. */
export interface Gaps {
  readonly longest: number;
  readonly all: readonly number[];
}

export const BOUNDS = {
  late_ms: 100,
  gap_ms: 250,
  gap_p99_ms: 50,
  block_ms: 50,
  /** Growth of the host over what it had before the guest came. */
  host_grown_mib: 256,
  /** Memory that a cell may take beyond its resting size and the run's ceiling: what the watchdog allows over all cranks of a run. */
  cell_slack_mib: 128,
  /** From a kill, or a pause, to its proof. */
  stop_ms: 100,
} as const;

/** The figures of one guest in one pass. Times in milliseconds, memory in MiB; null: not measured, because the guest has none. */
export interface Figures {
  /** Each fault of an outcome, in a sentence. */
  readonly wrong: readonly string[];
  readonly outcome: string;
  /** Time past its limit, of the kind that the limit counts: CPU time as the host billed it, or wall time. */
  readonly late_ms: number | null;
  /** Wall time from its admission to the answer that it has ended, less its limit. A guest that waits for a core is late in this alone. */
  readonly answer_ms: number | null;
  readonly gap_other_ms: number;
  readonly gap_own_ms: number;
  readonly block_ms: number;
  /** The most CPU time of the loop's thread in one such block. */
  readonly block_cpu_ms: number;
  readonly host_mib: number;
  readonly host_grown_mib: number;
  readonly cell_mib: number;
  /** Memory of the largest cell beyond its resting size and the run's ceiling. */
  readonly cell_over_mib: number;
  /** Time until a kill of a second run was proved; null: that one ended first. */
  readonly kill_ms: number | null;
  readonly pause_ms: number | null;
  readonly load: number;
}
export type Measure = Exclude<keyof Figures, 'wrong' | 'outcome'>;

/** Which bound holds for which figure. */
export const JUDGED = {
  late_ms: BOUNDS.late_ms,
  gap_other_ms: BOUNDS.gap_ms,
  gap_own_ms: BOUNDS.gap_ms,
  block_ms: BOUNDS.block_ms,
  host_grown_mib: BOUNDS.host_grown_mib,
  cell_over_mib: BOUNDS.cell_slack_mib,
  kill_ms: BOUNDS.stop_ms,
  pause_ms: BOUNDS.stop_ms,
} as const satisfies Partial<Record<Measure, number>>;

/**
 * The times between calls within a span, the one that began before it included.
 * @param calls in order @param until the end of the last gap, if no call came after it
 */
export function gapsIn(calls: readonly number[], from: number, until: number): Gaps {
  const all: number[] = [];
  let before = calls.findLast((at) => at <= from) ?? from;
  for (const at of calls) {
    if (at <= from) continue;
    if (before >= until) break;
    all.push(at - before);
    before = at;
  }
  if (before < until) all.push(until - before);
  return { longest: Math.max(0, ...all), all };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** One figure over all passes; null where no pass measured it. */
export function over(passes: readonly Figures[], measure: Measure, how: (values: readonly number[]) => number): number | null {
  const values = passes.map((one) => one[measure]).filter((value) => value !== null);
  return values.length === 0 ? null : how(values);
}

/** @param lenient outcomes alone count @returns each thing that does not hold, in words, with its figure and its bound */
export function faults(passes: readonly Figures[], lenient: boolean, how: (values: readonly number[]) => number = median): string[] {
  const wrong = [...new Set(passes.flatMap((one) => one.wrong))];
  if (lenient) return wrong;
  const past = (Object.entries(JUDGED) as [keyof typeof JUDGED, number][]).flatMap(([measure, most]) => {
    const value = over(passes, measure, how);
    return value === null || value <= most ? [] : [`${measure} ${Math.round(value)}, at most ${most}`];
  });
  return [...wrong, ...past];
}

/** A generator of whole numbers by a seed: mulberry32 (Tommy Ettinger, public domain). */
export function generator(seed: number): (from: number, to: number) => number {
  let state = seed >>> 0;
  return (from, to) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return from + (((mixed ^ (mixed >>> 14)) >>> 0) % (to - from + 1));
  };
}
