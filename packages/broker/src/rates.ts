/**
 * How often a run called each tool in the last minute. Counted by the second, so that no rate is too high to be seen: a list of
 * times would have an end, and whoever called more often than it is long would seem to have called no more than that.
 */
const SECOND_MS = 1_000;
const MINUTE_S = 60;

/** A second since 1970, and the calls in it. */
type Second = readonly [second: number, calls: number];

export type SavedRates = readonly (readonly [tool: string, seconds: readonly Second[]])[];

export class Rates {
  readonly #tools = new Map<string, Second[]>();

  /** @param at milliseconds since 1970, never less than before */
  called(tool: string, at: number): void {
    const second = Math.floor(at / SECOND_MS);
    const seconds = this.#tools.get(tool);
    if (seconds === undefined) {
      this.#tools.set(tool, [[second, 1]]);
      return;
    }
    const last = seconds.at(-1);
    if (last?.[0] === second) seconds[seconds.length - 1] = [second, last[1] + 1];
    else seconds.push([second, 1]);
    while ((seconds[0]?.[0] ?? second) < second - MINUTE_S) seconds.shift();
  }

  /** Calls in the last minute, those of the second that it began in among them. */
  lastMinute(tool: string, now: number): number {
    const from = Math.floor(now / SECOND_MS) - MINUTE_S;
    let calls = 0;
    for (const [second, count] of this.#tools.get(tool) ?? []) if (second >= from) calls += count;
    return calls;
  }

  save(): SavedRates {
    return [...this.#tools].map(([tool, seconds]) => [tool, [...seconds]]);
  }

  load(saved: SavedRates): void {
    this.#tools.clear();
    for (const [tool, seconds] of saved) this.#tools.set(tool, [...seconds]);
  }
}
