/** The console of an isolate: lines of the run's log, with the methods that programs expect. */
import type { Effects } from './effects.ts';
import { originHere, ownFrames } from './errors.ts';
import { short, show } from './inspect.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';

/** @param now the time of the crank; within one crank, timers measure 0 */
export function makeConsole(
  effects: Effects,
  now: () => number,
): { readonly console: object; readonly log: (...parts: unknown[]) => void } {
  let indent = '';
  const counts = new Map<string, number>();
  const timers = new Map<string, number>();

  const write = (level: Level, parts: readonly unknown[]) => {
    const text = format(parts);
    effects.log(level, indent === '' ? text : indent + text.replaceAll('\n', `\n${indent}`));
  };
  const at =
    (level: Level) =>
    (...parts: unknown[]) =>
      write(level, parts);
  const log = at('info');
  const group = (...parts: unknown[]) => {
    if (parts.length > 0) log(...parts);
    if (indent.length < GROUPS) indent += '  ';
  };
  const took = (label: unknown, more: readonly unknown[], ends: boolean) => {
    const name = labelOf(label);
    const began = timers.get(name);
    if (began === undefined) return write('warn', [`There is no timer called ${name}.`]);
    if (ends) timers.delete(name);
    log(`${name}: ${now() - began}ms`, ...more);
  };

  const console = {
    debug: at('debug'),
    log,
    info: log,
    warn: at('warn'),
    error: at('error'),
    trace(...parts: unknown[]) {
      let stack = '';
      try {
        // The first line is the error's name.
        stack = ownFrames(String(originHere().stack)).split('\n').slice(1).join('\n');
      } catch {
        // The agent formats stacks itself, and its code threw.
      }
      write('debug', [[format(['Trace:', ...parts]), stack].filter((text) => text !== '').join('\n')]);
    },
    assert(holds?: unknown, ...parts: unknown[]) {
      if (!holds) write('error', parts.length === 0 ? ['Assertion failed'] : ['Assertion failed:', ...parts]);
    },
    dir: (value?: unknown) => log(value),
    dirxml: (...parts: unknown[]) => log(...parts),
    table: (rows?: unknown, columns?: unknown) => log(tableOf(rows, columns)),
    group,
    groupCollapsed: group,
    groupEnd() {
      indent = indent.slice(2);
    },
    count(label?: unknown) {
      const name = labelOf(label);
      const counted = (counts.get(name) ?? 0) + 1;
      counts.set(name, counted);
      log(`${name}: ${counted}`);
    },
    countReset: (label?: unknown) => void counts.delete(labelOf(label)),
    time(label?: unknown) {
      const name = labelOf(label);
      if (timers.has(name)) write('warn', [`A timer called ${name} runs already.`]);
      else timers.set(name, now());
    },
    timeLog: (label?: unknown, ...more: unknown[]) => took(label, more, false),
    timeEnd: (label?: unknown) => took(label, [], true),
    clear: () => undefined,
  };
  return { console, log };
}

/** The deepest indentation, in characters. */
const GROUPS = 40;

const labelOf = (label: unknown): string => (label === undefined ? 'default' : typeof label === 'string' ? label : show(label));

/**
 * Formats as Node does: %s, %d, %i, %f, %j, %o, %O or %c in a first text take the values that follow; the rest is appended,
 * separated by spaces.
 */
function format(parts: readonly unknown[]): string {
  const [first] = parts;
  const rest = parts.slice(1);
  if (typeof first !== 'string' || rest.length === 0 || !first.includes('%')) return parts.map(show).join(' ');
  let used = 0;
  let text = '';
  let from = 0;
  for (let at = first.indexOf('%'); at !== -1; at = first.indexOf('%', from)) {
    const place = first.slice(at, at + 2);
    const told = place === '%%' ? '%' : used < rest.length ? placeText(place, rest[used]) : undefined;
    if (told !== undefined && place !== '%%') used += 1;
    text += first.slice(from, at) + (told ?? place);
    from = at + 2;
  }
  return [text + first.slice(from), ...rest.slice(used).map(show)].join(' ');
}

/** @returns undefined if the two characters are not a place for a value */
function placeText(place: string, value: unknown): string | undefined {
  switch (place) {
    case '%c':
      return '';
    case '%d':
    case '%f':
      return numberText(value, Number);
    case '%i':
      return numberText(value, (one) => Math.trunc(Number(one)));
    case '%s':
    case '%j':
    case '%o':
    case '%O':
      return show(value);
    default:
      return undefined;
  }
}

function numberText(value: unknown, read: (value: unknown) => number): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol' || (typeof value === 'object' && value !== null)) return 'NaN';
  return String(read(value));
}

const unquoted = (text: string) =>
  text.slice(text.startsWith('"') ? 1 : 0, text.endsWith('"') && text.length > 1 ? text.length - 1 : text.length);

const ROWS = 100;
const CELL = 60;

/** Rows and columns as text, if the value has any. */
function tableOf(rows: unknown, wanted: unknown): unknown {
  if (typeof rows !== 'object' || rows === null) return rows;
  try {
    const entries: (readonly [unknown, unknown])[] =
      rows instanceof Map
        ? [...(rows as Map<unknown, unknown>)]
        : rows instanceof Set
          ? [...rows.values()].map((row, i) => [i, row])
          : Object.entries(rows);
    const shown = entries.slice(0, ROWS);
    const columns: string[] = [];
    const lines = shown.map(([index, row]) => {
      const cells = new Map<string, string>();
      cells.set(INDEX, unquoted(short(index, CELL)));
      const members: [string, unknown][] = typeof row === 'object' && row !== null ? Object.entries(row) : [[VALUE, row]];
      for (const [name, value] of members) {
        if (Array.isArray(wanted) && name !== VALUE && !wanted.includes(name)) continue;
        if (!columns.includes(name)) columns.push(name);
        cells.set(name, short(value, CELL));
      }
      return cells;
    });
    const names = [INDEX, ...columns.filter((name) => name !== VALUE), ...(columns.includes(VALUE) ? [VALUE] : [])];
    const widths = names.map((name) => Math.max(name.length, ...lines.map((cells) => (cells.get(name) ?? '').length)));
    const line = (texts: readonly string[]) =>
      texts
        .map((text, i) => text.padEnd(widths[i] as number))
        .join(' │ ')
        .trimEnd();
    const body = lines.map((cells) => line(names.map((name) => cells.get(name) ?? '')));
    const more = entries.length > shown.length ? [`… ${entries.length - shown.length} more rows`] : [];
    return [line(names), widths.map((width) => '─'.repeat(width)).join('─┼─'), ...body, ...more].join('\n');
  } catch {
    return rows;
  }
}

const INDEX = '(index)';
const VALUE = 'Values';
