/** How amounts and times are written on the page. */

const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** `340 ms`, `12 s`, `3 min`, `2 h 5 min`, `4 d 3 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const first = UNITS.findIndex(([size]) => ms >= size);
  const [size = 1_000, unit = 's'] = UNITS[first] ?? [];
  const whole = Math.floor(ms / size);
  const next = UNITS[first + 1];
  const rest = next === undefined || first > 1 ? 0 : Math.floor((ms % size) / next[0]);
  return rest === 0 || next === undefined ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${next[1]}`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** The time of day; for another day, that too. */
export function moment(at: number, now = Date.now()): string {
  return new Date(at).toDateString() === new Date(now).toDateString() ? clock.format(at) : day.format(at);
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
/** `12,345`. */
export const count = (n: number): string => whole.format(n);
/** `1 call`, `2 calls`. */
export const many = (n: number, one: string, more = `${one}s`): string => `${count(n)} ${n === 1 ? one : more}`;

/** `12.50`; an amount below a cent keeps its digits. */
export function money(micros: number): string {
  if (micros === 0) return '0';
  const amount = micros / 1_000_000;
  return Math.abs(amount) >= 0.01 ? amount.toFixed(2) : amount.toFixed(6).replace(/0+$/, '');
}

/** `run_abcdefghijkl` as `…ijkl` where there is little room. */
export const tail = (run: string): string => `…${run.slice(-6)}`;

export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12);

export const cpu = (ms: number): string => (ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** Amounts of a purse in words. */
const AMOUNTS: Readonly<Record<string, readonly [name: string, write: (amount: number) => string]>> = {
  cpu_ms: ['CPU time', cpu],
  calls: ['calls', count],
  messages: ['messages', count],
  bytes: ['bytes', count],
  children: ['children', count],
  tokens: ['tokens', count],
  money_micros: ['money', money],
};
/** `['CPU time', '340 ms']` for 340 of `cpu_ms`. */
export function amountOf(name: string, amount: number): readonly [name: string, amount: string] {
  const [word, write] = (Object.hasOwn(AMOUNTS, name) ? AMOUNTS[name] : undefined) ?? [name, count];
  return [word, write(amount)];
}
