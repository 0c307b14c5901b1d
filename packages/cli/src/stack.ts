/** Stacks of guests, led back to the lines their author wrote. */
import { relative, resolve } from 'node:path';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';

const FRAME = /\(?agent\.js:(\d+):(\d+)\)?/;

/**
 * @param stack as the isolate gave it: positions in the bundle
 * @param map of that bundle, made in `from`
 * @returns the same with the author's files; lines of Corral's own prelude and of the SDK are left out
 */
export function mapStack(stack: string, map: string, from: string = process.cwd()): string {
  let trace: TraceMap;
  try {
    trace = new TraceMap(map);
  } catch {
    return stack;
  }
  const lines = stack.split('\n').flatMap((line) => {
    if (line.includes('corral:prelude')) return [];
    const found = FRAME.exec(line);
    if (found === null) return [line];
    const { source, line: at, column } = originalPositionFor(trace, { line: Number(found[1]), column: Number(found[2]) - 1 });
    if (source === null) return [line];
    const file = relative(process.cwd(), resolve(from, source));
    return [line.replace(FRAME, (text) => (text.startsWith('(') ? `(${file}:${at}:${column + 1})` : `${file}:${at}:${column + 1}`))];
  });
  return lines.join('\n');
}
