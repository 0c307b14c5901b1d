/** Numbers on a command line. */
import { CorralError } from '@corral/protocol/errors';

/** @throws CORRAL_USAGE */
export function wholeNumber(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new CorralError('CORRAL_USAGE', `${option} takes a whole number from 1, not ${text.slice(0, 60)}.`);
  return value;
}
