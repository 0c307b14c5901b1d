/**
 * Time in an isolate: the stamp of the current delivery, constant within a crank. Every function of V8 that reads the machine's
 * time is replaced here (ARCHITECTURE.md, "Crank and frame"). If a new V8 adds one, determinism.test.ts fails.
 */
import { makePerformance } from './performance.ts';

const clock = { now: 0, start: 0, begun: false };
let tooEarly: () => unknown;

/** The run's time begins. */
export function beginClock(at: number): void {
  clock.begun = true;
  setTime(at);
}

export function setTime(at: number): void {
  if (clock.start === 0) clock.start = at;
  clock.now = at;
}

/** The stamp of the current delivery. */
function time(): number {
  if (!clock.begun) tooEarly();
  return clock.now;
}
export { time as now };

// oxlint-disable typescript/unbound-method -- the originals are kept to be applied to their own objects
/** @param early called when the time is asked for before it has begun; does not return */
export function installClock(global: typeof globalThis, withTemporal: boolean, early: () => unknown): void {
  tooEarly = early;
  const HostDate = global.Date;
  const define = (on: object, name: PropertyKey, value: unknown) =>
    Object.defineProperty(on, name, { value, writable: true, enumerable: false, configurable: true });

  // A proxy looks native when asked for its source, and passes everything else on.
  const GuestDate: typeof HostDate = new Proxy(HostDate, {
    apply: () => new HostDate(time()).toString(),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [time()] : args, newTarget === GuestDate ? target : newTarget) as object,
  });
  define(HostDate, 'now', function now() {
    return time();
  });
  // The prototype refers to the constructor: without this line, `new Date(0).constructor.now()` would read the machine's clock.
  define(HostDate.prototype, 'constructor', GuestDate);
  define(global, 'Date', GuestDate);

  // Intl formats the present time when it is given no date.
  const formatter = Intl.DateTimeFormat.prototype;
  const format = Object.getOwnPropertyDescriptor(formatter, 'format')?.get as (this: unknown) => (date?: unknown) => string;
  const bound = new WeakMap<object, (date?: unknown) => string>();
  Object.defineProperty(formatter, 'format', {
    configurable: true,
    enumerable: false,
    get(this: object) {
      let made = bound.get(this);
      if (made === undefined) {
        const inner = format.call(this);
        made = (date?: unknown) => inner(date === undefined ? time() : date);
        bound.set(this, made);
      }
      return made;
    },
  });
  const toParts = formatter.formatToParts;
  define(formatter, 'formatToParts', function formatToParts(this: Intl.DateTimeFormat, date?: Date | number) {
    return toParts.call(this, date === undefined ? time() : date);
  });

  const scope = global as { Temporal?: TemporalLike };
  if (!withTemporal) delete scope.Temporal;
  else if (scope.Temporal !== undefined) {
    const temporal = scope.Temporal;
    const { fromEpochMilliseconds } = temporal.Instant;
    const { toZonedDateTimeISO } = (temporal.Instant as unknown as { prototype: InstantLike }).prototype;
    const instant = () => fromEpochMilliseconds(time());
    const zoned = (zone: unknown = 'UTC') => toZonedDateTimeISO.call(instant(), zone);
    const now = temporal.Now;
    define(now, 'instant', instant);
    define(now, 'timeZoneId', () => 'UTC');
    define(now, 'zonedDateTimeISO', (zone?: unknown) => zoned(zone));
    define(now, 'plainDateTimeISO', (zone?: unknown) => zoned(zone).toPlainDateTime());
    define(now, 'plainDateISO', (zone?: unknown) => zoned(zone).toPlainDate());
    define(now, 'plainTimeISO', (zone?: unknown) => zoned(zone).toPlainTime());
  }

  define(
    global,
    'performance',
    makePerformance(
      () => time() - clock.start,
      () => (time(), clock.start),
    ),
  );
}

interface ZonedLike {
  toPlainDateTime(): unknown;
  toPlainDate(): unknown;
  toPlainTime(): unknown;
}
interface InstantLike {
  toZonedDateTimeISO(zone: unknown): ZonedLike;
}
interface TemporalLike {
  readonly Now: object;
  readonly Instant: { fromEpochMilliseconds(ms: number): InstantLike };
}
