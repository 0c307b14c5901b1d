/**
 * The globals of an isolate, for code that runs in one: `"types": ["@corral/guest/globals"]`. JavaScript's own globals are not listed; WeakRef, FinalizationRegistry, Atomics, SharedArrayBuffer and WebAssembly are absent.
 */
declare const console: Record<
  'debug' | 'log' | 'info' | 'warn' | 'error' | 'trace' | 'dirxml' | 'group' | 'groupCollapsed',
  (...parts: unknown[]) => void
> &
  Record<'count' | 'countReset' | 'time' | 'timeEnd', (label?: string) => void> & {
    assert(holds?: unknown, ...parts: unknown[]): void;
    dir(value?: unknown): void;
    table(rows?: unknown, columns?: readonly string[]): void;
    timeLog(label?: string, ...parts: unknown[]): void;
    groupEnd(): void;
    clear(): void;
  };
declare function setTimeout<A extends unknown[]>(then: (...args: A) => void, ms?: number, ...args: A): number;
declare function setInterval<A extends unknown[]>(then: (...args: A) => void, ms?: number, ...args: A): number;
declare function clearTimeout(handle: number | string | undefined): void;
declare function clearInterval(handle: number | string | undefined): void;
declare function queueMicrotask(then: () => void): void;
declare function structuredClone<T>(value: T): T;
declare function atob(text: string): string;
declare function btoa(text: string): string;
declare const performance: { now(): number; readonly timeOrigin: number };
declare const crypto: { getRandomValues<T extends ArrayBufferView>(array: T): T; randomUUID(): string };

declare class DOMException extends Error {
  constructor(message?: string, name?: string);
  readonly code: number;
}
declare class Event {
  constructor(type: string);
  readonly type: string;
}
declare class EventTarget {
  addEventListener(type: string, listener: (event: Event) => void, options?: { once?: boolean }): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
  dispatchEvent(event: Event): boolean;
}
declare class AbortSignal extends EventTarget {
  private constructor();
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  static abort(reason?: unknown): AbortSignal;
  static timeout(ms: number): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
}
declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare class URLSearchParams {
  constructor(init?: string | Readonly<Record<string, string>> | Iterable<readonly [string, string]>);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  entries(): IterableIterator<[string, string]>;
  toString(): string;
}
declare class URL {
  constructor(url: string, base?: string | URL);
  static canParse(url: string, base?: string): boolean;
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toJSON(): string;
}
