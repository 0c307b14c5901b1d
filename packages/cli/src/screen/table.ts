/** Rows in aligned columns, for characters of any width. */
import stringWidth from 'string-width';

export { printable } from '@corral/protocol/printable';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Longer cells are cut. */
  readonly max?: number;
  /** Cells are cut in their middle, so that names which begin alike can be told apart. */
  readonly middle?: true;
  /** The column is at least this wide. */
  readonly least?: number;
  /** On a narrow screen the column may shrink to this. */
  readonly min?: number;
  /** On a screen that is too narrow even so, columns with this go: the lowest first. */
  readonly goes?: number;
  /** Colours a cell that has its final width. */
  readonly paint?: (text: string, row: number) => string;
}

const GAP = 2;

/** @param width of the screen; no line becomes wider if columns may shrink or go. Left out: any */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width = Number.POSITIVE_INFINITY): string[] {
  const all = [columns.map((column) => column.title), ...rows];
  const wanted = columns.map((column, i) => Math.max(column.least ?? 0, Math.min(column.max ?? Number.POSITIVE_INFINITY, widest(all, i))));
  const widths = fitted(columns, wanted, width);
  return all.map((row, at) =>
    columns
      .flatMap((column, i) => {
        const space = widths[i];
        if (space === undefined) return [];
        const text = cut(row[i] ?? '', space, column.middle);
        const gap = ' '.repeat(Math.max(0, space - stringWidth(text)));
        const shown = at === 0 || column.paint === undefined || text === '' ? text : column.paint(text, at - 1);
        return [column.align === 'right' ? gap + shown : shown + gap];
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

const widest = (rows: readonly (readonly string[])[], i: number) => Math.max(...rows.map((row) => stringWidth(row[i] ?? '')));

/** Widths at which the columns fit; undefined: the column is left out. */
function fitted(columns: readonly Column[], wanted: readonly number[], width: number): readonly (number | undefined)[] {
  let shown = columns.map((_, i) => i);
  for (;;) {
    const widths = new Map(shown.map((i) => [i, wanted[i] ?? 0]));
    let over = [...widths.values()].reduce((sum, one) => sum + one + GAP, -GAP) - width;
    while (over > 0) {
      // The widest gives first: a long name loses less by a character than a short one.
      const room = (i: number) => (widths.get(i) ?? 0) - (columns[i]?.min ?? Number.POSITIVE_INFINITY);
      const [most] = shown.filter((i) => room(i) > 0).sort((a, b) => (widths.get(b) ?? 0) - (widths.get(a) ?? 0));
      if (most === undefined) break;
      widths.set(most, (widths.get(most) ?? 0) - 1);
      over--;
    }
    const [first] = shown.filter((i) => columns[i]?.goes !== undefined).sort((a, b) => (columns[a]?.goes ?? 0) - (columns[b]?.goes ?? 0));
    if (over <= 0 || first === undefined) return columns.map((_, i) => widths.get(i));
    shown = shown.filter((i) => i !== first);
  }
}

function cut(text: string, most: number, middle?: true): string {
  if (stringWidth(text) <= most) return text;
  if (middle === undefined || most < 3) return `${beginning(text, most - 1)}…`;
  const end = Math.floor((most - 1) / 2);
  return `${beginning(text, most - 1 - end)}…${text.slice(-end)}`;
}

const segmenter = new Intl.Segmenter();

/** As much of the beginning of a text as has room in a number of columns. */
export function beginning(text: string, most: number): string {
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    used += stringWidth(segment);
    if (used > most) break;
    kept += segment;
  }
  return kept;
}

/** Breaks a line between words; a word that is longer than a line is broken itself. All lines have the indentation of the first. */
export function wrapWords(text: string, width: number): string[] {
  const [indent = ''] = /^ */.exec(text) ?? [];
  const lines: string[] = [];
  let line = '';
  for (const word of text.slice(indent.length).split(' ')) {
    let rest = word;
    const joined = line === '' ? `${indent}${rest}` : `${line} ${rest}`;
    if (stringWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    for (line = `${indent}${rest}`; stringWidth(line) > width; line = `${indent}${rest}`) {
      const head = beginning(line, width);
      lines.push(head);
      rest = line.slice(Math.max(indent.length + 1, head.length));
    }
  }
  return [...lines, line];
}

/** Gives `5s`, `12m`, `3h`, `4d`: one unit, rounded down. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** Gives `1.4 s`, `11 ms`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)}:${String(Math.floor((ms % 60_000) / 1000)).padStart(2, '0')} min`;
}

export function clockTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Gives `812 B`, `1.4 MiB`. */
export function bytes(n: number): string {
  let value = n;
  let unit = 'B';
  for (const larger of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`;
}
