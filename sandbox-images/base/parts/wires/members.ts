/**
 * Requests of SDKs, read member by member. One that nobody takes is refused by its name: what it asks for would otherwise be left out in
 * silence.
 */
import type { ProviderOptions } from '@corral/guest';

export type Fields = Readonly<Record<string, unknown>>;

/** A request that a model capability cannot be asked as it is. */
export class Refused extends Error {
  readonly param: string | undefined;
  /** Facts for the SDK, as its API has them. */
  readonly details: Fields | undefined;
  constructor(message: string, param?: string, details?: Fields) {
    super(message);
    this.param = param;
    this.details = details;
  }
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The members of one object. `null` counts as absent, as it does with these APIs. */
export class Members {
  readonly path: string;
  readonly #left: Map<string, unknown>;

  constructor(value: unknown, path: string) {
    if (!isObject(value)) throw new Refused(`${path === '' ? 'The body' : path} is to be an object.`, path);
    this.path = path;
    this.#left = new Map(Object.entries(value).filter(([, one]) => one !== undefined && one !== null));
  }
  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
  take(name: string): unknown {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }
  text(name: string): string | undefined {
    return this.#of(name, 'a text', (value): value is string => typeof value === 'string');
  }
  needs(name: string): string {
    const text = this.text(name);
    if (text === undefined) throw new Refused(`${this.at(name)} is missing.`, this.at(name));
    return text;
  }
  flag(name: string): boolean {
    return this.#of(name, 'true or false', (value): value is boolean => typeof value === 'boolean') ?? false;
  }
  number(name: string): number | undefined {
    return this.#of(name, 'a number', (value): value is number => typeof value === 'number');
  }
  /** The list, each of its members as `read` has it; undefined if there is none. */
  each<T>(name: string, read: (one: unknown, path: string) => T): T[] | undefined {
    const list = this.#of(name, 'a list', (value): value is readonly unknown[] => Array.isArray(value));
    return list?.map((one, i) => read(one, `${this.at(name)}[${i}]`));
  }
  inner(name: string): Members | undefined {
    const value = this.take(name);
    return value === undefined ? undefined : new Members(value, this.at(name));
  }
  /** Takes a member that may have these values alone. */
  only(name: string, why: string, ...permitted: readonly unknown[]): void {
    const value = this.take(name);
    if (value === undefined || permitted.some((one) => JSON.stringify(one) === JSON.stringify(value))) return;
    throw new Refused(`${this.at(name)} cannot be ${shown(value)}: ${why}.`, this.at(name));
  }
  /** Takes members that change nothing of what a model answers. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#left.delete(name);
  }
  /** The members of these names as settings of a provider, which the host’s configuration permits or not. */
  settings(provider: string, names: Readonly<Record<string, string>>): ProviderOptions | undefined {
    const set = Object.entries(names).flatMap(([name, theirs]) => {
      const value = this.take(name);
      return value === undefined ? [] : [[theirs, value] as const];
    });
    return set.length === 0 ? undefined : { [provider]: Object.fromEntries(set) };
  }
  /** @throws Refused for a member that was not taken */
  done(): void {
    const [name] = this.#left.keys();
    if (name !== undefined)
      throw new Refused(`${this.at(name)} is not something that a model capability can be asked for; leave it out.`, this.at(name));
  }

  #of<T>(name: string, what: string, fits: (value: unknown) => value is T): T | undefined {
    const value = this.take(name);
    if (value === undefined || fits(value)) return value;
    throw new Refused(`${this.at(name)} is to be ${what}, and it is ${shown(value)}.`, this.at(name));
  }
}

const SHOWN = 80;
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** Only members that are there. */
export const given = <T extends Fields>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;

/** Settings of several places, by provider. */
export function merged(...all: readonly (ProviderOptions | undefined)[]): ProviderOptions | undefined {
  const found: Record<string, Fields> = {};
  for (const set of all) for (const [provider, some] of Object.entries(set ?? {})) found[provider] = { ...found[provider], ...some };
  return Object.keys(found).length === 0 ? undefined : found;
}

/** JSON, or the text where it is not. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
