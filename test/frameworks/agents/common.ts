/** Shared by the agents of the table: each is asked for the same things, and says in the same way how they ended. */

export interface Input {
  readonly what: 'generate' | 'stream' | 'tools' | 'abort' | 'error' | 'structured' | 'interrupt';
}

export const QUESTIONS: Readonly<Record<Input['what'], string>> = {
  generate: 'hello',
  stream: 'hello',
  tools: 'What is the weather in Rome?',
  abort: 'slow',
  error: 'fail',
  structured: 'Where? Answer as JSON.',
  interrupt: 'hello',
};

export const CEILINGS = { wall_ms: 3_600_000 };

/** Time after which an agent gives up a model that is slow. */
const PATIENCE_MS = 5_000;

export function patience(): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), PATIENCE_MS);
  return controller.signal;
}

/** How a request ended that must not be answered: the code of the host's error, wherever the framework has put it, or that it was aborted. */
export async function failure(work: Promise<unknown>): Promise<string> {
  try {
    return `answered ${JSON.stringify(await work)}`;
  } catch (error) {
    return told(error) ?? String(error);
  }
}

interface Thrown {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly error?: unknown;
  readonly lastError?: unknown;
}

function told(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { name = '', message = '', code, cause, error: inner, lastError } = error as Thrown;
  const [found] = /CORRAL_\w+/.exec(`${String(code)} ${message}`) ?? [];
  if (found !== undefined) return found;
  if (name === 'AbortError' || name === 'APIUserAbortError' || /\babort(?:ed)?\b/i.test(message)) return 'aborted';
  return told(inner) ?? told(cause) ?? told(lastError);
}
