/** Describes a thrown value for use outside of the isolate: as texts of bounded length, with its causes. */
import { bare } from './bare.ts';
import { CorralError } from './errors.ts';
import { causesOf, headOf, isError, short, stackOf } from './inspect.ts';

const TEXT = 2000;
/** Longest code or limit that the schema of a finish accepts. */
const NAME = 64;

const state = { explains: false };
/** From now on, an error that says that there is no fetch says why. */
export function explainFetch(): void {
  state.explains = true;
}

const NO_FETCH = /^(?:globalThis\.)?`?fetch`? is not (?:defined|a function)/;
const WHY = `There is no fetch, because an agent has no network; with \`uses: { model: 'model:default' }\`, a fetch is there and the model answers the APIs of OpenAI and Anthropic; with \`uses: { crm: 'http:crm' }\`, the host answers for the origins that its configuration gives to crm.`;

/** One sentence about a thrown value. @param who threw it */
export function errorMessage(error: unknown, who = 'agent'): string {
  if (!isError(error)) return cut(`The ${who} threw ${short(error, TEXT / 2)}.`);
  let message: unknown;
  try {
    ({ message } = error);
  } catch {
    message = '';
  }
  if (state.explains && typeof message === 'string' && NO_FETCH.test(message)) return cut(`${WHY} (${message})`);
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
  const message = errorMessage(error);
  return bare({
    ...(isName(code) ? { code } : message.startsWith(WHY) ? { code: 'CORRAL_CAP_NOT_GRANTED' } : {}),
    ...(isName(limit) ? { limit } : {}),
    message,
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
