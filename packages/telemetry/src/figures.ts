/**
 * Figures: counters, histograms and gauges with labels, in one array of numbers for each. It bounds their number as Prometheus counts it, by
 * the lines that they are at /metrics, because names of agents and tools are given by others.
 */
import { METRICS, type Instrument, type MetricName } from './names.ts';
import { OTHER } from './facts.ts';

/** Upper bounds of buckets. Few of them: each is a line for each set of labels. */
const BOUNDS: Readonly<Record<string, readonly number[]>> = {
  s: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600, 3600],
  '{token}': [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144],
  '{call}': [0, 1, 2, 5, 10, 25, 100, 1000],
};
const NO_BOUNDS: readonly number[] = [];
export const boundsOf = ({ kind, unit }: Instrument): readonly number[] => (kind === 'histogram' ? (BOUNDS[unit] ?? NO_BOUNDS) : NO_BOUNDS);

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

  constructor(name: MetricName) {
    this.name = name;
    this.instrument = METRICS[name];
    this.bounds = boundsOf(this.instrument);
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
}

export class Figures {
  readonly #most: number;
  readonly #figures = new Map<MetricName, OneFigure>();
  #lines = 0;

  /** @param most lines at /metrics, those of `other` included */
  constructor(most: number) {
    this.#most = most;
    // Room for what is counted under `other` is kept from the start.
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const figure = new OneFigure(name);
      this.#figures.set(name, figure);
      this.#lines += figure.lines;
    }
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
    const figure = this.#figures.get(name);
    if (figure === undefined) return;
    const others = figure.all.has(this.#other(figure).join(BETWEEN)) ? 1 : 0;
    this.#lines -= figure.lines * (figure.all.size - others);
    figure.all.clear();
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

  #other({ instrument: { labels } }: OneFigure): readonly string[] {
    return labels.map(() => OTHER);
  }

  #series(name: MetricName, labels: readonly string[]): Series {
    const figure = this.#figures.get(name) as OneFigure;
    const found = figure.all.get(labels.join(BETWEEN));
    if (found !== undefined) return found;
    const other = this.#other(figure);
    // An instrument without labels has one series, for which there is room already.
    if (other.length > 0 && this.#lines + figure.lines <= this.#most) {
      this.#lines += figure.lines;
      return figure.add(labels);
    }
    return figure.all.get(other.join(BETWEEN)) ?? figure.add(other);
  }
}
