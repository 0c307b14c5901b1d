/** A removal from memories that ended before its end: the record says so, and so does the error, each with what was removed. */
import { CorralError } from '@corral/protocol/errors';
import type { Dropped } from '@corral/protocol/ports/memory';
import type { Deed } from '../operation-log.ts';

interface Left {
  /** For the record. */
  readonly refused: NonNullable<Deed['refused']>;
  readonly error: CorralError;
}

/** @param run whose entries they were, if that was asked @param before what was done besides, as a sentence @returns undefined: it came to its end */
export function leftOf({ entries, stopped }: Dropped, run = '', before = ''): Left | undefined {
  if (stopped === undefined) return undefined;
  const counted = `${entries} ${entries === 1 ? 'entry is' : 'entries are'} removed from memories, and there may be more: ${stopped.message}`;
  const detail = before === '' ? counted : `${before} ${counted}`;
  const error = new CorralError('CORRAL_MEMORY_LEFT', detail, { cause: stopped });
  return { refused: [{ run, code: stopped.code, detail }], error };
}
