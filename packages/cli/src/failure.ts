/** How the CLI fails: one sentence, its code, what to do next, and an exit code for scripts. */
import { styleText } from 'node:util';
import { ApiError } from '@corral/protocol/api/client';
import { CorralError, type ErrorCode } from '@corral/protocol/errors';
import { printable, printableJson } from '@corral/protocol/printable';

/** Documented in the help and the README. */
export const EXIT = {
  ok: 0,
  /** A run ended otherwise than it should. */
  outcome: 1,
  /** Wrong input: the command line, a file, an agent, an agent's input. */
  input: 2,
  /** The host cannot do it: its data folder, its disk, its walls. */
  host: 3,
  /** A bug in Corral. */
  bug: 4,
  /** A time that was given for waiting is over; as of `timeout` of coreutils. */
  timeout: 124,
  interrupted: 130,
  terminated: 143,
} as const;

/** Codes for a request that names something that does not exist, or that is not possible in the present state. */
const ASKED: ReadonlySet<ErrorCode> = new Set([
  'CORRAL_USAGE',
  'CORRAL_RUN_UNKNOWN',
  'CORRAL_RUN_STATE',
  'CORRAL_FORK_IMPOSSIBLE',
  'CORRAL_POLICY_INVALID',
  'CORRAL_CONFIG_INVALID',
]);

/** A message may repeat the words of an agent, or be the answer of a host elsewhere. */
const lines = (text: string): string => text.split('\n').map(printable).join('\n');

/** The hint for requests is for programs that make their own; here the command made it, from what was typed. */
const hintOf = ({ code, hint }: CorralError): string =>
  code === 'CORRAL_REQUEST_INVALID' ? 'Compare the arguments and options with those that the command takes: see --help.' : hint;

export function report(error: unknown, json: boolean): number {
  const failure =
    error instanceof CorralError
      ? error
      : new CorralError('CORRAL_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
  if (json) process.stdout.write(`${printableJson({ error: failure.toJSON() }, 2)}\n`);
  else {
    const red = (text: string) => styleText('red', text, { stream: process.stderr });
    const dim = (text: string) => styleText('dim', text, { stream: process.stderr });
    process.stderr.write(`${red(failure.code)} ${lines(failure.message)}\n${dim(lines(hintOf(failure)))}\n`);
    if (failure.audience === 'bug' && error instanceof Error && error.stack !== undefined) process.stderr.write(`${dim(error.stack)}\n`);
  }
  if (ASKED.has(failure.code)) return EXIT.input;
  if (failure.code === 'CORRAL_UPGRADE_DIFFERS') return EXIT.outcome;
  if (failure instanceof ApiError) return failure.status < 500 && failure.status !== 429 ? EXIT.input : EXIT.host;
  return { guest: EXIT.input, operator: EXIT.host, bug: EXIT.bug }[failure.audience];
}
