/** Describes a thrown value for use outside of the isolate: as texts of bounded length, with its causes. */
import { bare } from './bare.ts';
import { CorralError } from './errors.ts';
import { causesOf, headOf, isError, short, stackOf } from './inspect.ts';

const TEXT = 2000;
/** Longest code or limit that the schema of a finish accepts. */
const NAME = 64;

/** One sentence about a thrown value. @param who threw it */
export function errorMessage(error: unknown, who = 'agent'): string {
  if (!isError(error)) return cut(`The ${who} threw ${short(error, TEXT / 2)}.`);
  let message: unknown;
  try {
    ({ message } = error);
  } catch {
    message = '';
  }
  return cut(typeof message === 'string' && message !== '' ? message : headOf(error));
}

/** The stack without frames of the prelude, then the causes. */
export function errorStack(error: Error): string | undefined {
  try {
    const stack = typeof error.stack === 'string' ? stackOf(error) : '';
    const causes = causesOf(error);
    if (causes.length === 0) return stack === '' ? undefined : cut(stack);
    // The causes matter most to an operator, so a long stack is cut in their favour.
    const told = cut(causes.join('\n'));
    return `${stack.slice(0, Math.max(TEXT / 4, TEXT - told.length - 1))}\n${told}`.trimStart();
  } catch {
    return undefined;
  }
}

/** An error as a finish effect carries it. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!isError(error)) return bare({ message: errorMessage(error) });
  const { code, limit } = error instanceof CorralError ? error : bare<{ code?: unknown; limit?: unknown }>({});
  const stack = errorStack(error);
  return bare({
    ...(isName(code) ? { code } : {}),
    ...(isName(limit) ? { limit } : {}),
    message: errorMessage(error),
    ...(stack === undefined ? {} : { stack }),
  });
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.length <= NAME;

/** Does not cut within a surrogate pair. */
function cut(text: string): string {
  if (text.length <= TEXT) return text;
  const end = text.charCodeAt(TEXT - 1);
  return text.slice(0, end >= 0xd800 && end <= 0xdbff ? TEXT - 1 : TEXT);
}
