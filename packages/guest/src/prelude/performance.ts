/** `performance` by the run's clock: marks and measures, which libraries make, and the time since the run began. */

interface Entry {
  readonly name: string;
  readonly entryType: 'mark' | 'measure';
  readonly startTime: number;
  readonly duration: number;
  readonly detail: unknown;
}
interface MeasureOptions {
  readonly start?: unknown;
  readonly end?: unknown;
  readonly duration?: unknown;
  readonly detail?: unknown;
}

/** Most entries that are kept; older ones are dropped, because programs that measure for ever rarely read them. */
const ENTRIES = 1_000;

export function makePerformance(now: () => number, timeOrigin: () => number): object {
  let entries: Entry[] = [];
  const keep = (entry: Entry) => {
    entries = [...entries.slice(-ENTRIES + 1), entry];
    return entry;
  };
  const timeOf = (at: unknown): number => {
    if (typeof at === 'number') return at;
    const mark = entries.findLast(({ name, entryType }) => entryType === 'mark' && name === at);
    if (mark === undefined) throw new DOMException(`There is no mark called ${String(at).slice(0, 100)}.`, 'SyntaxError');
    return mark.startTime;
  };
  const clear = (type: Entry['entryType']) => (name?: string) => {
    entries = entries.filter((entry) => entry.entryType !== type || (name !== undefined && entry.name !== name));
  };
  return Object.freeze({
    now,
    get timeOrigin() {
      return timeOrigin();
    },
    mark(name: unknown, { startTime = now(), detail = null }: { startTime?: number; detail?: unknown } = {}) {
      return keep({ name: String(name), entryType: 'mark', startTime, duration: 0, detail });
    },
    measure(name: unknown, from?: unknown, to?: unknown) {
      const options: MeasureOptions = typeof from === 'object' && from !== null ? from : { start: from, end: to };
      const { start, end, duration, detail = null } = options;
      const length = typeof duration === 'number' ? duration : undefined;
      const ends = end !== undefined ? timeOf(end) : start !== undefined && length !== undefined ? timeOf(start) + length : now();
      const begins = start !== undefined ? timeOf(start) : length !== undefined ? ends - length : 0;
      return keep({ name: String(name), entryType: 'measure', startTime: begins, duration: ends - begins, detail });
    },
    clearMarks: clear('mark'),
    clearMeasures: clear('measure'),
    getEntries: () => [...entries],
    getEntriesByName: (name: string, type?: string) =>
      entries.filter((entry) => entry.name === name && (type === undefined || entry.entryType === type)),
    getEntriesByType: (type: string) => entries.filter((entry) => entry.entryType === type),
    toJSON: () => ({ timeOrigin: timeOrigin() }),
  });
}
