/**
 * Number of calls of each tool in the last minute, counted by second. A bounded list of times instead would limit the rate that can be
 * measured to its length.
 */
const SECOND_MS = 1_000;
const MINUTE_S = 60;

/** A second since 1970, and the number of calls in it. */
type Second = readonly [second: number, calls: number];

export type SavedRates = readonly (readonly [tool: string, seconds: readonly Second[]])[];

export class Rates {
  /** Calls by tool; a draft has only the calls made since it was created. */
  #tools: Map<string, Second[]> | undefined;
  readonly #of: Rates | undefined;

  /** @param of the rates of which this is a draft */
  constructor(of?: Rates) {
    this.#of = of;
  }

  /** A draft for a crank that is being decided. */
  draft(): Rates {
    return new Rates(this);
  }

  /** Adds the calls of this draft to its original. */
  adopt(): void {
    if (this.#tools === undefined) return;
    for (const [tool, seconds] of this.#tools) for (const [second, times] of seconds) this.#of?.called(tool, second * SECOND_MS, times);
  }

  /** @param at milliseconds since 1970, in ascending order */
  called(tool: string, at: number, times = 1): void {
    const second = Math.floor(at / SECOND_MS);
    this.#tools ??= new Map();
    const seconds = this.#tools.get(tool);
    if (seconds === undefined) {
      this.#tools.set(tool, [[second, times]]);
      return;
    }
    const last = seconds.at(-1);
    if (last?.[0] === second) seconds[seconds.length - 1] = [second, last[1] + times];
    else seconds.push([second, times]);
    while ((seconds[0]?.[0] ?? second) < second - MINUTE_S) seconds.shift();
  }

  /** Calls in the last minute; the second in which it began counts whole. */
  lastMinute(tool: string, now: number): number {
    const from = Math.floor(now / SECOND_MS) - MINUTE_S;
    let calls = this.#of?.lastMinute(tool, now) ?? 0;
    for (const [second, count] of this.#tools?.get(tool) ?? []) if (second >= from) calls += count;
    return calls;
  }

  save(): SavedRates {
    return [...(this.#tools ?? [])].map(([tool, seconds]) => [tool, [...seconds]]);
  }

  load(saved: SavedRates): void {
    this.#tools = new Map(saved.map(([tool, seconds]) => [tool, [...seconds]]));
  }
}
