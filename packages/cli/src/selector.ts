/** Filters of runs on a command line: `--waiting resolution --older-than 15m --since 2h`. */
import { Waiting, type RunSelector } from '@corral/protocol/api/selector';
import { CorralError } from '@corral/protocol/errors';
import { targetIn, ToolName } from '@corral/protocol/ids';
import { didYouMean } from '@corral/protocol/nearest';

export interface SelectorFlags {
  readonly waiting?: string;
  readonly holds?: string;
  readonly olderThan?: string;
  readonly since?: string;
  readonly until?: string;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @param now milliseconds since 1970 @throws CORRAL_USAGE */
export function selectorArguments(
  { waiting, holds, olderThan, since, until }: SelectorFlags,
  now: number,
): Pick<RunSelector, 'waiting' | 'holds' | 'older_than_ms' | 'since' | 'until'> {
  return {
    ...(waiting === undefined ? {} : { waiting: waitingArgument(waiting) }),
    ...(holds === undefined ? {} : { holds: toolArgument(holds) }),
    ...(olderThan === undefined ? {} : { older_than_ms: spanArgument('--older-than', olderThan, 's') }),
    ...(since === undefined ? {} : { since: timeArgument('--since', since, now) }),
    ...(until === undefined ? {} : { until: timeArgument('--until', until, now) }),
  };
}

function waitingArgument(text: string): NonNullable<RunSelector['waiting']> {
  const found = Waiting.options.find((one) => one === text);
  if (found !== undefined) return found;
  throw new CorralError(
    'CORRAL_USAGE',
    `--waiting knows no ${text.slice(0, 60)}; it knows ${Waiting.options.join(', ')}.${didYouMean(text, Waiting.options)}`,
  );
}

/** The name of a tool, also as manifests write it: `tool:pay`. @throws CORRAL_USAGE */
export function toolArgument(text: string): ToolName {
  const { success, data } = ToolName.safeParse(targetIn(text));
  if (success) return data;
  throw new CorralError('CORRAL_USAGE', `${text.slice(0, 60)} is not the name of a tool, such as payments.send or model:default.`);
}

/** Parses `90s`, `1.5h`; the unit is required, so that nobody takes minutes for seconds. */
function spanOf(text: string): number | undefined {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const ms = UNITS_MS[unit];
  return ms === undefined ? undefined : Math.round(Number(amount) * ms);
}

/**
 * Milliseconds of a duration.
 * @param plain unit of a number without one, which the help of the option names; left out: such a number is refused
 * @throws CORRAL_USAGE
 */
export function spanArgument(flag: string, text: string, plain?: 'ms' | 's'): number {
  const ms = spanOf(plain !== undefined && /^\d+(?:\.\d+)?$/.test(text.trim()) ? `${text.trim()}${plain}` : text);
  if (ms !== undefined && Number.isSafeInteger(ms)) return ms;
  throw new CorralError(
    'CORRAL_USAGE',
    `${flag} ${text.slice(0, 60)} is not a duration; write a number and its unit, such as 90s, 15m, 2h or 1d.`,
  );
}

/** A time of ISO 8601, or an age. @throws CORRAL_USAGE */
export function timeArgument(flag: string, text: string, now: number): number {
  const ago = spanOf(text);
  const at = ago === undefined ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : now - ago;
  if (Number.isSafeInteger(at) && at >= 0) return at;
  throw new CorralError(
    'CORRAL_USAGE',
    `${flag} ${text.slice(0, 60)} is not a time; write one such as 2026-03-01T02:00Z, or an age such as 2h.`,
  );
}
