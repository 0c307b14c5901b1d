/** Cedar's extension functions: constructors, and methods on decimals, addresses, datetimes and durations. */
import { Datetime, Decimal, Duration, IpAddress, type Extension } from './extension.ts';
import { EvaluationError, long, UnsupportedConstruct, type Value } from './value.ts';

type Class<T> = abstract new (...args: never[]) => T;

function need<T extends Extension>(value: Value, type: Class<T>, name: string): T {
  if (value instanceof (type as unknown as new () => T)) return value;
  throw new EvaluationError(`expected a ${name}`);
}

const decimal = (value: Value) => need(value, Decimal, 'decimal');
const ip = (value: Value) => need(value, IpAddress, 'ipaddr');
const datetime = (value: Value) => need(value, Datetime, 'datetime');
const duration = (value: Value) => need(value, Duration, 'duration');

function parsed(name: string, parse: (text: string) => Extension | undefined) {
  return (text: Value): Value => {
    if (typeof text !== 'string') throw new EvaluationError(`${name} reads a string`);
    return inBounds(parse(text), `${JSON.stringify(text)} is not a valid ${name}`);
  };
}

function inBounds<T>(value: T | undefined, message = 'integer overflow'): T {
  if (value === undefined) throw new EvaluationError(message);
  return value;
}

export interface CedarFunction {
  readonly arity: 1 | 2;
  readonly apply: (a: Value, b: Value) => Value;
}
const one = (apply: (a: Value) => Value): CedarFunction => ({ arity: 1, apply });
const two = (apply: (a: Value, b: Value) => Value): CedarFunction => ({ arity: 2, apply });
/** Whole units of a duration, rounded towards zero. */
const units = (ms: bigint) => one((a) => long(duration(a).ms / ms));

export const FUNCTIONS: ReadonlyMap<string, CedarFunction> = new Map(
  Object.entries({
    decimal: one(parsed('decimal', (text) => Decimal.parse(text))),
    ip: one(parsed('ipaddr', (text) => IpAddress.parse(text))),
    datetime: one(parsed('datetime', (text) => Datetime.parse(text))),
    duration: one(parsed('duration', (text) => Duration.parse(text))),
    lessThan: two((a, b) => decimal(a).units < decimal(b).units),
    lessThanOrEqual: two((a, b) => decimal(a).units <= decimal(b).units),
    greaterThan: two((a, b) => decimal(a).units > decimal(b).units),
    greaterThanOrEqual: two((a, b) => decimal(a).units >= decimal(b).units),
    isIpv4: one((a) => ip(a).bits === 32),
    isIpv6: one((a) => ip(a).bits === 128),
    isLoopback: one((a) => ip(a).isLoopback()),
    isMulticast: one((a) => ip(a).isMulticast()),
    isInRange: two((a, b) => ip(a).isInRange(ip(b))),
    offset: two((a, b) => inBounds(Datetime.of(datetime(a).ms + duration(b).ms))),
    durationSince: two((a, b) => inBounds(Duration.of(datetime(a).ms - datetime(b).ms))),
    toDate: one((a) => inBounds(datetime(a).toDate())),
    toTime: one((a) => datetime(a).toTime()),
    toMilliseconds: units(1n),
    toSeconds: units(1_000n),
    toMinutes: units(60_000n),
    toHours: units(3_600_000n),
    toDays: units(86_400_000n),
  }),
);

/** A call with known values, in the form in which Cedar's JSON writes extension values. */
export function construct(name: string, args: readonly Value[]): Value {
  const made = FUNCTIONS.get(name);
  if (made === undefined || args.length !== made.arity) throw new UnsupportedConstruct(`the function ${name}`);
  return made.apply(args[0] as Value, args[1] as Value);
}
