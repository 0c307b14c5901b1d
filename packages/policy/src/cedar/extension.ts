/**
 * Cedar's extension types: decimal, ipaddr, datetime and duration. Parsers return undefined for a text that Cedar would refuse.
 * Source: https://docs.cedarpolicy.com/policies/syntax-datatypes.html and syntax-operators.html
 */
const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;
const fits = (value: bigint) => value >= I64_MIN && value <= I64_MAX;

export type Extension = Decimal | IpAddress | Datetime | Duration;

/** Four digits after the point, 64 bits. */
export class Decimal {
  /** Ten-thousandths. */
  readonly units: bigint;

  constructor(units: bigint) {
    this.units = units;
  }

  static parse(text: string): Decimal | undefined {
    const match = /^(-?)(\d+)\.(\d{1,4})$/.exec(text);
    if (match === null || text.length > 64) return undefined;
    const size = BigInt(match[2] as string) * 10_000n + BigInt((match[3] as string).padEnd(4, '0'));
    const units = match[1] === '-' ? -size : size;
    return fits(units) ? new Decimal(units) : undefined;
  }

  /** The nearest decimal to a number; undefined beyond about 9.2e14. */
  static near(value: number): Decimal | undefined {
    const units = Math.round(value * 10_000);
    if (Number.isSafeInteger(units)) return new Decimal(BigInt(units));
    const whole = Math.trunc(value);
    if (!Number.isFinite(value)) return undefined;
    const exact = BigInt(whole) * 10_000n + BigInt(Math.round((value - whole) * 10_000));
    return fits(exact) ? new Decimal(exact) : undefined;
  }

  toString(): string {
    const size = this.units < 0n ? -this.units : this.units;
    return `${this.units < 0n ? '-' : ''}${size / 10_000n}.${(size % 10_000n).toString().padStart(4, '0')}`;
  }
}

/** An address or a range of addresses. */
export class IpAddress {
  readonly bits: 32 | 128;
  readonly address: bigint;
  readonly prefix: number;

  constructor(bits: 32 | 128, address: bigint, prefix: number) {
    this.bits = bits;
    this.address = address;
    this.prefix = prefix;
  }

  static parse(text: string): IpAddress | undefined {
    // The longest text that Cedar reads: eight groups of four digits, seven colons, `/128`.
    if (text.length > 43) return undefined;
    const slash = text.indexOf('/');
    const host = slash < 0 ? text : text.slice(0, slash);
    const bits = host.includes(':') ? 128 : 32;
    const address = bits === 32 ? v4(host) : v6(host);
    if (address === undefined) return undefined;
    if (slash < 0) return new IpAddress(bits, address, bits);
    const tail = text.slice(slash + 1);
    if (!/^(0|[1-9]\d{0,2})$/.test(tail)) return undefined;
    const prefix = Number(tail);
    return prefix <= bits ? new IpAddress(bits, address, prefix) : undefined;
  }

  equals(other: IpAddress): boolean {
    return this.bits === other.bits && this.address === other.address && this.prefix === other.prefix;
  }

  isLoopback(): boolean {
    return this.bits === 32 ? this.address >> 24n === 127n && this.prefix >= 8 : this.address === 1n && this.prefix === 128;
  }

  isMulticast(): boolean {
    return this.bits === 32 ? this.address >> 28n === 14n && this.prefix >= 4 : this.address >> 120n === 255n && this.prefix >= 8;
  }

  isInRange(range: IpAddress): boolean {
    return this.bits === range.bits && this.#low() >= range.#low() && this.#high() <= range.#high();
  }

  #low(): bigint {
    const free = BigInt(this.bits - this.prefix);
    return (this.address >> free) << free;
  }

  #high(): bigint {
    return this.address | ((1n << BigInt(this.bits - this.prefix)) - 1n);
  }

  /** In a form that Cedar parses to the same value. */
  toString(): string {
    if (this.bits === 32) return `${[24n, 16n, 8n, 0n].map((shift) => (this.address >> shift) & 255n).join('.')}/${this.prefix}`;
    const groups = Array.from({ length: 8 }, (_, i) => ((this.address >> BigInt(112 - 16 * i)) & 65_535n).toString(16));
    return `${groups.join(':')}/${this.prefix}`;
  }
}

function v4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function v6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  if (!groups.flat().every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const given = groups.flat().length;
  if (halves.length === 1 ? given !== 8 : given > 7) return undefined;
  const all = [...(groups[0] as string[]), ...Array<string>(8 - given).fill('0'), ...(groups[1] ?? [])];
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

const DAY_MS = 86_400_000n;

export class Duration {
  readonly ms: bigint;

  constructor(ms: bigint) {
    this.ms = ms;
  }

  static of(ms: bigint): Duration | undefined {
    return fits(ms) ? new Duration(ms) : undefined;
  }

  static parse(text: string): Duration | undefined {
    const match = /^(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
    if (match === null || text.length > 128) return undefined;
    const parts = match.slice(2);
    if (parts.every((part) => part === undefined)) return undefined;
    const units = [DAY_MS, 3_600_000n, 60_000n, 1_000n, 1n];
    const size = parts.reduce((sum, part, i) => sum + (part === undefined ? 0n : BigInt(part) * (units[i] as bigint)), 0n);
    return Duration.of(match[1] === '-' ? -size : size);
  }

  toString(): string {
    return `${this.ms}ms`;
  }
}

/** Milliseconds since 1970, 64 bits. */
export class Datetime {
  readonly ms: bigint;

  constructor(ms: bigint) {
    this.ms = ms;
  }

  static of(ms: bigint): Datetime | undefined {
    return fits(ms) ? new Datetime(ms) : undefined;
  }

  static parse(text: string): Datetime | undefined {
    const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?:Z|([+-])(\d\d)(\d\d)))?$/.exec(text);
    if (match === null) return undefined;
    const part = (i: number) => Number(match[i] ?? 0);
    const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, day);
    if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
    const [offsetHour, offsetMinute] = [part(9), part(10)];
    if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
    const offset = (offsetHour * 60 + offsetMinute) * 60_000 * (match[8] === '-' ? -1 : 1);
    return new Datetime(BigInt(date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + part(7) - offset));
  }

  /** The midnight before; undefined if 64 bits cannot hold it. */
  toDate(): Datetime | undefined {
    return Datetime.of(this.ms - this.#inDay());
  }

  toTime(): Duration {
    return new Duration(this.#inDay());
  }

  #inDay(): bigint {
    const rest = this.ms % DAY_MS;
    return rest < 0n ? rest + DAY_MS : rest;
  }
}
