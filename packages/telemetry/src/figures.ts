/**
 * Figures: counters, histograms and gauges with labels, in one array of numbers for each. Their number is bounded as Prometheus counts it, by
 * the lines that they are at /metrics, because names of agents and tools are given by others. Where there is no room for a name it becomes
 * `other`, and what Corral itself says, such as an outcome, stays: an alert about failed runs must not fire because there are many agents.
 */
import { GEN_AI, METRICS, openLabelsOf, type Instrument, type MetricName } from './names.ts';
import { OTHER } from './vocabulary.ts';

/** Upper bounds of buckets. Few of them: each is a line for each set of labels. */
const BOUNDS: Readonly<Record<string, readonly number[]>> = {
  s: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600, 3600],
  '{token}': [64, 512, 4096, 32_768, 262_144],
  '{call}': [0, 1, 5, 25, 100],
};
const NO_BOUNDS: readonly number[] = [];
export const boundsOf = ({ kind, unit }: Instrument): readonly number[] => (kind === 'histogram' ? (BOUNDS[unit] ?? NO_BOUNDS) : NO_BOUNDS);

/**
 * Shares of all lines for figures with names of others. The rest is for those without, whose labels are few; figures.test.ts counts them. Counters
 * have a share of their own, because one histogram of an agent is as many lines as its runs, ends and costs.
 */
const SHARES = { counter: 0.3, histogram: 0.5 } as const;
type Shared = keyof typeof SHARES;
/** Share of its kind that one instrument gets of these, so that many tools do not take the room of agents. */
const MOST_OF_ONE = 0.4;

/** Series that an instrument keeps for names beyond its room: one for each value of its other labels, where there are not many. */
const SPARE: Partial<Record<MetricName, number>> = { ended: 12, decided: 4, denied: 12, tokensBefore: 2, requests: 4 };
const SPARE_OF_ERRORS = 4;

/** A set of labels of an instrument. */
export interface Series {
  readonly labels: readonly string[];
  /** For a histogram: a count for each bucket, the last without a bound; then the sum, and the count. For others: the value. */
  readonly values: Float64Array;
}

export interface Figure {
  readonly name: MetricName;
  readonly instrument: Instrument;
  readonly bounds: readonly number[];
  readonly series: readonly Series[];
}

/** Separates labels in a key; it is in no name. */
const BETWEEN = '\u0000';

class OneFigure implements Figure {
  readonly name: MetricName;
  readonly instrument: Instrument;
  readonly bounds: readonly number[];
  readonly all = new Map<string, Series>();
  /** Which labels are names of others. */
  readonly open: readonly boolean[];
  /** The kind whose share it takes lines of; undefined if it has no names of others. */
  readonly shares: Shared | undefined;
  readonly spare: number;
  /** Series for names that had no room. */
  others = 0;

  constructor(name: MetricName) {
    this.name = name;
    this.instrument = METRICS[name];
    this.bounds = boundsOf(this.instrument);
    this.open = openLabelsOf(name);
    const { kind, labels } = this.instrument;
    this.shares = kind !== 'gauge' && this.open.includes(true) ? kind : undefined;
    this.spare = SPARE[name] ?? (labels.includes(GEN_AI.error) ? SPARE_OF_ERRORS : 1);
  }

  get series(): readonly Series[] {
    return [...this.all.values()];
  }

  /** Lines at /metrics that one more set of labels makes. */
  get lines(): number {
    return this.instrument.kind === 'histogram' ? this.bounds.length + 3 : 1;
  }

  add(labels: readonly string[]): Series {
    const made = { labels, values: new Float64Array(this.instrument.kind === 'histogram' ? this.bounds.length + 3 : 1) };
    this.all.set(labels.join(BETWEEN), made);
    return made;
  }

  /** The series of labels for whose names there is no room. */
  other(labels: readonly string[]): Series {
    const nameless = labels.map((label, i) => (this.open[i] === true ? OTHER : label));
    const found = this.all.get(nameless.join(BETWEEN));
    if (found !== undefined) return found;
    // The last of them are for all further codes. Whether there was an error at all is still told.
    const isLast = this.others >= this.spare - 2 && this.instrument.labels.includes(GEN_AI.error);
    const rest = isLast
      ? nameless.map((label, i) => (this.instrument.labels[i] === GEN_AI.error && label !== '' ? OTHER : label))
      : nameless;
    const last = this.all.get(rest.join(BETWEEN));
    if (last !== undefined) return last;
    this.others += 1;
    return this.add(rest);
  }
}

export class Figures {
  readonly #figures = new Map<MetricName, OneFigure>();
  /** Lines that are left for names of others, of each kind and of each instrument. */
  readonly #left: Record<Shared, number>;
  readonly #leftOf = new Map<MetricName, number>();

  /** @param most lines at /metrics */
  constructor(most: number) {
    this.#left = { counter: Math.floor(most * SHARES.counter), histogram: Math.floor(most * SHARES.histogram) };
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const figure = new OneFigure(name);
      this.#figures.set(name, figure);
      if (figure.shares === undefined) continue;
      this.#leftOf.set(name, Math.floor(this.#left[figure.shares] * MOST_OF_ONE));
    }
    for (const { shares, spare, lines } of this.#figures.values()) if (shares !== undefined) this.#left[shares] -= spare * lines;
  }

  get lines(): number {
    let lines = 0;
    for (const figure of this.#figures.values()) lines += figure.lines * figure.all.size;
    return lines;
  }

  /** Adds to a counter. */
  count(name: MetricName, labels: readonly string[], by = 1): void {
    const { values } = this.#series(name, labels);
    values[0] = (values[0] ?? 0) + by;
  }

  /** Sets a gauge, or a counter that is counted elsewhere. */
  set(name: MetricName, labels: readonly string[], value: number): void {
    this.#series(name, labels).values[0] = value;
  }

  /** Forgets the values of a gauge, whose labels come and go. */
  clear(name: MetricName): void {
    this.#figures.get(name)?.all.clear();
  }

  /** Adds a value to a histogram. */
  observe(name: MetricName, labels: readonly string[], value: number): void {
    const { bounds } = this.#figures.get(name) as OneFigure;
    const { values } = this.#series(name, labels);
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
    values[bucket] = (values[bucket] ?? 0) + 1;
    values[bounds.length + 1] = (values[bounds.length + 1] ?? 0) + value;
    values[bounds.length + 2] = (values[bounds.length + 2] ?? 0) + 1;
  }

  /** Those that have a value. */
  all(): readonly Figure[] {
    return [...this.#figures.values()].filter((figure) => figure.all.size > 0);
  }

  #series(name: MetricName, labels: readonly string[]): Series {
    const figure = this.#figures.get(name) as OneFigure;
    const found = figure.all.get(labels.join(BETWEEN));
    if (found !== undefined) return found;
    const { shares, lines } = figure;
    if (shares === undefined) return figure.add(labels);
    const own = (this.#leftOf.get(name) ?? 0) - lines;
    if (own < 0 || this.#left[shares] < lines) return figure.other(labels);
    this.#leftOf.set(name, own);
    this.#left[shares] -= lines;
    return figure.add(labels);
  }
}
