/** Results of verifying a host's record, as text; and heads of its log in the form `SIZE:HASH`. */
import { styleText } from 'node:util';
import { CorralError } from '@corral/protocol/errors';
import type { LogHead, LogVerification } from '@corral/protocol/model/log';
import { printable } from './table.ts';
import { moment } from './time.ts';

/** @throws CORRAL_USAGE */
export function headOf(text: string): LogHead {
  const [, size, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (size === undefined || hash === undefined)
    throw new CorralError('CORRAL_USAGE', `--head is SIZE:HASH, as \`corral verify\` prints it, not ${JSON.stringify(text)}.`);
  return { size: Number(size), hash: hash.toLowerCase() };
}

type Found = Omit<LogVerification, 'problems'> & { readonly problems: readonly { readonly leaf: number; readonly message: string }[] };

export function logLines({ size, hash, since, before, problems, count }: Found): string[] {
  const earlier = before === 0 ? '' : `; of ${before} runs from before it says what was found then`;
  return [
    ...problems.map(({ leaf, message }) => printable(`${leaf === 0 ? 'the record' : `leaf ${leaf}`}: ${message}`)),
    ...(count > problems.length ? [`… and ${count - problems.length} more`] : []),
    `record: ${size} leaves${since === null ? '' : ` since ${moment(since)}`}${earlier}: ${
      count === 0 ? styleText('green', 'it holds') : styleText('red', `${count} ${count === 1 ? 'thing is' : 'things are'} not as it says`)
    }`,
    `head: ${size}:${hash}`,
  ];
}
