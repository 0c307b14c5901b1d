/** Cursors of lists. */
import { CorralError } from '../errors.ts';

/** A place in what is made from a journal: the number of an entry, and one of its parts. */
export interface Place {
  readonly seq: number;
  readonly n: number;
}

/** A list's cursor: the number of its last row, encoded so that clients do not depend on it. */
export const cursorOf = (n: number): string => Buffer.from(`n${n}`).toString('base64url');

/** @throws CORRAL_REQUEST_INVALID */
export function rowOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const n = /^n(\d{1,15})$/.exec(text)?.[1];
  if (n === undefined) throw new CorralError('CORRAL_REQUEST_INVALID', 'The cursor is not one that a list here gave.');
  return Number(n);
}

export const cursorAt = ({ seq, n }: Place): string => Buffer.from(`e${seq} ${n}`).toString('base64url');

/** @throws CORRAL_REQUEST_INVALID */
export function placeOf(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [, seq, n] = /^e(\d{1,15}) (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (n === undefined) throw new CorralError('CORRAL_REQUEST_INVALID', 'The cursor is not one that a list here gave.');
  return { seq: Number(seq), n: Number(n) };
}
