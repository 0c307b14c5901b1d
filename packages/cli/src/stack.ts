/** Maps positions in bundles to the author's lines. */
import { relative, resolve } from 'node:path';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';

const POSITION = /\bagent\.js:(\d+):(\d+)/g;

/** Whether a text contains a position in a bundle. */
export const namesBundle = (text: string): boolean => text.includes('agent.js:');

/**
 * @param map of the bundle, made in `from`; without a readable one, texts stay as they are
 * @returns maps a text: positions in the bundle become positions in the author's files
 */
export function linesBy(map: string | null | undefined, from: string = process.cwd()): (text: string) => string {
  let trace: TraceMap | undefined;
  try {
    trace = map === null || map === undefined || map === '' ? undefined : new TraceMap(map);
  } catch {
    trace = undefined;
  }
  return (text) =>
    trace === undefined
      ? text
      : text.replace(POSITION, (position, line: string, at: string) => {
          const { source, line: found, column } = originalPositionFor(trace, { line: Number(line), column: Number(at) - 1 });
          return source === null ? position : `${relative(process.cwd(), resolve(from, source))}:${found}:${column + 1}`;
        });
}

/**
 * @param stack as the isolate gave it: positions in the bundle
 * @returns the same with the author's files; lines of Corral's own prelude are left out
 */
export function mapStack(stack: string, map: string | null | undefined, from: string = process.cwd()): string {
  return stackBy(linesBy(map, from), stack);
}

/** The same, where the map has been read already. */
export function stackBy(lines: (text: string) => string, stack: string): string {
  const own = stack.split('\n').filter((line) => !line.includes('corral:prelude'));
  return lines(own.join('\n'));
}

/** An outcome whose stack has the author's lines. */
export function withLines<T extends object>(outcome: T, map: string | null | undefined): T {
  const { stack } = outcome as { readonly stack?: unknown };
  return typeof stack === 'string' ? { ...outcome, stack: mapStack(stack, map) } : outcome;
}

/** The innermost frame of a stack that is in the bundle: ` at agent.js:1:23`, or nothing. */
export function frameOf(stack: string | undefined): string {
  const [position] = stack?.match(POSITION) ?? [];
  return position === undefined ? '' : ` at ${position}`;
}
