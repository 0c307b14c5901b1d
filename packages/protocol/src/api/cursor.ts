/** Cursors of lists. */
import { CorralError } from '../errors.ts';

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
