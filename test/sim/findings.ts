/** Sums over many simulated worlds: counts, ends of runs, and each kind of violation with a seed that shows it. */
import type { Result } from './world.ts';

/** A violation without names and numbers, so that equal faults are counted as one kind. */
const kindOf = (violation: string): string =>
  violation
    .split('\n')[0]!
    .replaceAll(/\b(run|grant|cell)_[0-9a-z]+/g, '$1_…')
    .replaceAll(/-?\b\d+(\.\d+)?\b/g, (figure, _, at: number) => (at === 0 ? figure : 'N'))
    .slice(0, 160);

export class Findings {
  violations = 0;
  #runs = 0;
  #cranks = 0;
  #events = 0;
  #hosts = 0;
  readonly #ends = new Map<string, number>();
  readonly #kinds = new Map<string, { seed: number; times: number }>();

  add(result: Result): void {
    this.#runs += result.runs;
    this.#cranks += result.cranks;
    this.#events += result.events;
    this.#hosts += result.hosts;
    for (const [kind, times] of result.ends) this.#ends.set(kind, (this.#ends.get(kind) ?? 0) + times);
    if (result.violation === undefined) return;
    this.violations += 1;
    const kind = kindOf(result.violation);
    const known = this.#kinds.get(kind);
    if (known === undefined) this.#kinds.set(kind, { seed: result.seed, times: 1 });
    else known.times += 1;
  }

  /** @param seconds the time that all worlds took */
  summary(from: number, seeds: number, seconds: number): string[] {
    const speed = (seeds / seconds).toFixed(1);
    const worlds = `${this.#runs} runs, ${this.#cranks} cranks, ${this.#hosts} hosts, ${this.#events} events`;
    const lines = [
      `${this.violations} violations; seeds ${from} to ${from + seeds - 1}: ${worlds} in ${seconds.toFixed(1)} s (${speed} seeds a second)`,
      [...this.#ends]
        .sort(([, a], [, b]) => b - a)
        .map(([kind, times]) => `${kind} ${times}`)
        .join(', '),
    ];
    if (this.#kinds.size === 0) return lines;
    const rows = [...this.#kinds].sort(([, a], [, b]) => b.times - a.times);
    const width = Math.max(...rows.map(([, { seed }]) => String(seed).length), 'a seed'.length);
    lines.push('', `times  ${'a seed'.padEnd(width)}  what it says`);
    for (const [kind, { seed, times }] of rows) lines.push(`${String(times).padStart(5)}  ${String(seed).padEnd(width)}  ${kind}`);
    return lines;
  }
}
