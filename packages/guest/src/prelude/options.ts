/**
 * Checks options as agents give them: computed, from configuration, or from a model. An option that the bus would reject is
 * rejected here, at the call itself, so that an agent can catch the error and its author sees the option, its value and what is
 * allowed.
 */
import type { Attenuation, CallOptions, ProgramOutput, RequestOptions, Schema, SleepOptions } from '../sdk/types.ts';
import { bare } from './bare.ts';
import { BOUNDS, BUDGET_BOUNDS } from './bounds.ts';
import { raise, type CorralError } from './errors.ts';
import { show } from './inspect.ts';
import { oddityOf, pathText } from './values.ts';

type Fields = Readonly<Record<string, unknown>>;

const NAME = /^[a-z0-9][a-z0-9._/-]*$/;
const ALIAS = /^[a-zA-Z][a-zA-Z0-9_]{0,63}$/;
const SHOWN = 80;
const { MAX_SAFE_INTEGER, isSafeInteger } = Number;
const { getPrototypeOf, prototype: PLAIN } = Object;
const parse = JSON.parse;
const stringify = JSON.stringify;

/** The error for an invalid option, with what is allowed. */
export function invalid(name: string, value: unknown, allowed: string): CorralError {
  const text = typeof value === 'string' ? stringify(value) : show(value);
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text;
  return raise('CORRAL_ARGS_INVALID', `${name} must be ${allowed}; it is ${shown}.`);
}

const NONE: Fields = Object.freeze(bare({}));

/** An options object; left out, it is empty. */
function fieldsOf(name: string, options: unknown): Fields {
  if (options === undefined) return NONE;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw invalid(name, options, 'an object');
  return options as Fields;
}

/**
 * An object whose members are read by listing them, so all must be its own: in `{ where: { __proto__: … } }` the condition is inherited, and
 * would be lost in silence.
 */
function membersOf(name: string, given: unknown): Fields {
  const fields = fieldsOf(name, given);
  const prototype: unknown = getPrototypeOf(fields);
  if (prototype === PLAIN || prototype === null) return fields;
  throw invalid(name, given, 'an object literal or an object without a prototype, whose members are its own');
}

function wholeNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && isSafeInteger(value) && value >= least && value <= most) return value;
  const upTo = most === MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw invalid(name, value, `a whole number ${upTo}`);
}

function textOf(name: string, value: unknown, most: number): string {
  if (typeof value === 'string' && value.length <= most) return value;
  throw invalid(name, value, `a text of at most ${most} characters`);
}

/**
 * Milliseconds to wait at most. Fractions are rounded up. A negative amount, as `deadline - Date.now()` may be, is 0.
 * @throws InvalidArguments for a value that is not a number of milliseconds, such as Infinity: leave the option out to wait
 * without a limit
 */
function timeoutOf(name: string, value: unknown): number {
  if (typeof value !== 'number' || !(Math.abs(value) <= MAX_SAFE_INTEGER))
    throw invalid(name, value, 'a finite number of milliseconds, or left out');
  return Math.max(0, Math.ceil(value));
}

/** The time for an effect was over before it was made. */
export const timedOut = (what: string): CorralError =>
  raise('CORRAL_TIMED_OUT', `The timeout_ms of this ${what} was used up before it was made; nothing was sent.`);

function signalOf(value: unknown): AbortSignal | undefined {
  if (value === undefined || value === null) return undefined;
  const { aborted, addEventListener } = value as Partial<AbortSignal>;
  if (typeof value !== 'object' || typeof aborted !== 'boolean' || typeof addEventListener !== 'function')
    throw invalid('signal', value, 'an AbortSignal');
  return value as AbortSignal;
}

/** The options of a call. `expired`: its time was over before it was made. */
export interface CheckedCall {
  readonly wanted: Pick<CallOptions, 'timeout_ms' | 'retry' | 'reason'>;
  readonly signal: AbortSignal | undefined;
  readonly expired: boolean;
}
const NOTHING: CheckedCall = { wanted: {}, signal: undefined, expired: false };

export function callOptions(options: unknown): CheckedCall {
  if (options === undefined) return NOTHING;
  const { signal, timeout_ms, retry, reason } = fieldsOf('The options of a call', options);
  const timeout = timeout_ms === undefined ? undefined : timeoutOf('timeout_ms', timeout_ms);
  return {
    signal: signalOf(signal),
    expired: timeout === 0,
    wanted: {
      ...(timeout === undefined ? {} : { timeout_ms: timeout }),
      ...(retry === undefined ? {} : { retry: retryOf(retry) }),
      ...(reason === undefined ? {} : { reason: textOf('reason', reason, BOUNDS.reason_characters) }),
    },
  };
}

function retryOf(retry: unknown): { attempts: number } {
  const { attempts } = fieldsOf('retry', retry);
  return bare({ attempts: wholeNumber('retry.attempts', attempts, 1, BOUNDS.retry_attempts) });
}

export interface CheckedRequest {
  readonly caps: Fields | undefined;
  readonly wanted: Pick<RequestOptions, 'timeout_ms'>;
  readonly signal: AbortSignal | undefined;
  readonly expired: boolean;
}

/** Options of `send`, `request` and `messages.next`. */
export function waitOptions(name: string, options: unknown): CheckedRequest {
  const { caps, signal, timeout_ms } = fieldsOf(name, options);
  const timeout = timeout_ms === undefined ? undefined : timeoutOf('timeout_ms', timeout_ms);
  return {
    caps: caps === undefined ? undefined : capsOf(caps),
    wanted: timeout === undefined ? {} : { timeout_ms: timeout },
    signal: signalOf(signal),
    expired: timeout === 0,
  };
}

/** Options of a spawn. */
export function spawnOptions(options: unknown): { readonly caps: Fields | undefined; readonly budget: unknown } {
  const { caps, budget } = fieldsOf('The options of spawn', options);
  return { caps: caps === undefined ? undefined : capsOf(caps), budget };
}

/** Options of `spawn.code`. */
export function codeOptions(
  options: unknown,
): ReturnType<typeof spawnOptions> & { readonly input: unknown; readonly output: ProgramOutput | undefined } {
  const { caps, budget, input, output } = fieldsOf('The options of spawn.code', options);
  return { caps: caps === undefined ? undefined : capsOf(caps), budget, input, output: outputOf('output', output) };
}

/** A schema of what is accepted, or a narrow one. @param name what it is called */
export function outputOf(name: string, output: unknown): ProgramOutput | undefined {
  if (output === undefined || output === 'boolean' || output === 'number') return output;
  if (Array.isArray(output) && output.length > 0 && output.every((word) => typeof word === 'string')) return output;
  if (typeof output === 'object' && output !== null) {
    const standard = (output as { readonly '~standard'?: { readonly validate?: unknown } | null })['~standard'];
    if (typeof standard?.validate === 'function') return output as Schema;
  }
  throw invalid(name, output, "a Standard Schema, 'boolean', 'number' or a list of words");
}

export function sourceOf(source: unknown): string {
  if (typeof source === 'string') return source;
  throw invalid('The program', source, 'a text');
}

/** Capabilities by name. Their values are checked when they become slots. */
function capsOf(caps: unknown): Fields {
  const fields = membersOf('caps', caps);
  const names = Object.keys(fields);
  if (names.length > BOUNDS.message_slots)
    throw invalid('caps', `${names.length} capabilities`, `at most ${BOUNDS.message_slots} capabilities`);
  for (const name of names)
    if (!ALIAS.test(name))
      throw invalid('A name in caps', name, `a letter, then at most ${BOUNDS.alias_characters - 1} letters, digits or _`);
  return fields;
}

export function eventOf(event: unknown): string {
  return textOf('The name of an event', event, BOUNDS.event_characters);
}

/**
 * How long to sleep. A text that is a number counts as that number; a negative number counts as 0; Infinity lasts as long as a
 * run may. Anything else is refused, because returning at once would hide the mistake.
 */
export function sleepTime(ms: unknown): number {
  const number = typeof ms === 'string' && ms.trim() !== '' ? Number(ms) : ms;
  if (number === Infinity) return BOUNDS.timer_ms;
  if (typeof number !== 'number' || !(number < Infinity)) throw invalid('The time to sleep', ms, 'a number of milliseconds');
  return Math.max(0, number);
}

export const sleepSignal = (options: unknown): AbortSignal | undefined =>
  options === undefined ? undefined : signalOf((fieldsOf('The options of sleep', options) as SleepOptions).signal);

/** Amounts that a spawn moves to the child's purse. */
export function budgetOf(budget: unknown): Record<string, number> {
  const amounts: Record<string, number> = bare({});
  for (const [name, amount] of Object.entries(membersOf('budget', budget))) {
    if (amount === undefined || (name === 'slice' && typeof amount === 'function')) continue;
    const bounds = Object.hasOwn(BUDGET_BOUNDS, name) ? BUDGET_BOUNDS[name] : undefined;
    if (bounds === undefined) throw invalid('An amount of budget', name, `one of ${Object.keys(BUDGET_BOUNDS).join(', ')}`);
    amounts[name] = wholeNumber(`budget.${name}`, amount, ...bounds);
  }
  return amounts;
}

export function agentNameOf(name: unknown): string {
  if (typeof name === 'string' && name.length <= BOUNDS.agent_characters && NAME.test(name)) return name;
  throw invalid('The name of the agent to spawn', name, 'of lower-case letters, digits and . _ / -');
}

/** A copy of the terms of a capability, so that later changes to the agent's object have no effect. */
export function attenuationOf(given: unknown): Attenuation {
  if (given === undefined) throw invalid('The terms of attenuate', given, 'an object');
  const checks = termChecks();
  const terms: Record<string, unknown> = bare({});
  for (const [name, value] of Object.entries(membersOf('The terms of attenuate', given))) {
    if (value === undefined) continue;
    const term = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (term === undefined) throw invalid('A term of attenuate', name, `one of ${Object.keys(checks).join(', ')}`);
    terms[name] = term(value, name);
  }
  return terms;
}

type Check = (value: unknown, name: string) => unknown;

const count: Check = (value, name) => wholeNumber(name, value, 0, MAX_SAFE_INTEGER);
const rights: Check = (value, name) => {
  const known = ['invoke', 'delegate', 'read'];
  if (Array.isArray(value) && value.length <= known.length && value.every((right) => known.includes(right as string)))
    return bare([...(value as unknown[])]);
  throw invalid(name, value, `a list of ${known.join(', ')}`);
};

const termChecks = (): Readonly<Record<string, Check>> => ({
  where,
  uses: count,
  expires_in_ms: count,
  rights,
  passes: rights,
  rate(value, name) {
    const { per_minute, ...more } = membersOf(name, value);
    const other = Object.keys(more).at(0);
    if (other !== undefined) throw invalid('A term of rate', other, 'per_minute');
    return bare({ per_minute: wholeNumber('rate.per_minute', per_minute, 1, BOUNDS.uses_per_minute) });
  },
  bytes: count,
  only_clean(value, name) {
    if (value !== true) throw invalid(name, value, 'true, or left out');
    return true;
  },
});

function where(value: unknown, name: string): Fields {
  const conditions = membersOf(name, value);
  const names = Object.keys(conditions);
  if (names.length > BOUNDS.predicates) throw invalid(name, `${names.length} arguments`, `at most ${BOUNDS.predicates} arguments`);
  const checked: Record<string, unknown> = bare({});
  for (const argument of names) {
    // As a member, this name would set the prototype of the effect, and the condition would be lost.
    if (argument === '' || argument === '__proto__' || argument.length > BOUNDS.argument_characters)
      throw invalid('An argument in where', argument, `a name of 1 to ${BOUNDS.argument_characters} characters, and not __proto__`);
    checked[argument] = predicate(conditions[argument], pathText('where', [argument]));
  }
  return checked;
}

function predicate(value: unknown, name: string): Fields {
  const checks = predicateChecks();
  if (value === undefined) throw invalid(name, value, `an object with some of ${Object.keys(checks).join(', ')}`);
  const checked: Record<string, unknown> = bare({});
  for (const [which, operand] of Object.entries(membersOf(name, value))) {
    if (operand === undefined) continue;
    const check = Object.hasOwn(checks, which) ? checks[which] : undefined;
    if (check === undefined) throw invalid(`A condition of ${name}`, which, `one of ${Object.keys(checks).join(', ')}`);
    checked[which] = check(operand, `${name}.${which}`);
  }
  return checked;
}

const number: Check = (value, name) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalid(name, value, 'a finite number');
};
const prefix: Check = (value, name) => textOf(name, value, BOUNDS.predicate_characters);

const predicateChecks = (): Readonly<Record<string, Check>> => ({
  equals: json,
  in(value, name) {
    if (!Array.isArray(value) || value.length > BOUNDS.predicate_values)
      throw invalid(name, value, `a list of at most ${BOUNDS.predicate_values} values`);
    return json(value, name);
  },
  under: prefix,
  prefix,
  max: number,
  min: number,
  max_length: count,
});

function json(value: unknown, name: string): unknown {
  const odd = oddityOf(value, () => false);
  if (odd !== undefined) throw raise('CORRAL_JSON_UNSUPPORTED', `${pathText(name, odd.path)} is ${odd.why}.`);
  const text = stringify(value) as string | undefined;
  if (text === undefined) throw invalid(name, value, 'a value that JSON can say');
  return parse(text);
}

/** The name of a part of a handle's value. */
export function partOf(name: unknown): string | number {
  if (typeof name === 'string' || (typeof name === 'number' && isSafeInteger(name) && name >= 0)) return name;
  throw invalid('A part of a handle', name, 'the name of a member or the position of an item');
}
