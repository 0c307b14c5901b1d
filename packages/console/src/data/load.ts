/** Data of a view: read when it opens, read again when the host tells of a change, and kept on the page meanwhile. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { asRefusal, isAbort, type Refusal } from './api.ts';
import { onChange, type Changed } from './live.ts';
import { isVisible, seen } from './visible.ts';

export interface Loaded<T> {
  readonly data: T | undefined;
  /** Why the last read failed; data that were read before stay beside it. */
  readonly error: Refusal | undefined;
  readonly again: () => void;
}

interface Wanted {
  /** The things that the data are about: those of other ones are not shown in their place. */
  readonly of?: readonly unknown[];
  /** Anything else that the data depend on: when it changes, they are read again, and the old ones are shown meanwhile. */
  readonly at?: readonly unknown[];
  /** Whether these changes concern the view; left out: never. */
  readonly when?: (changed: Changed, kinds: ReadonlySet<string>) => boolean;
  /** Changes have it read again at most this often. */
  readonly every_ms?: number;
  /** It is read again this often while the page can be seen, since no event tells of all of its changes; left out: never. */
  readonly poll_ms?: number;
}

/** Whether there were events of one of these kinds, or events were missed. */
export const anyOf =
  (...names: readonly string[]) =>
  (changed: Changed, kinds: ReadonlySet<string>): boolean =>
    changed === undefined || names.some((name) => kinds.has(name));

export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  { of = [], at = [], when, every_ms = 0, poll_ms }: Wanted = {},
): Loaded<T> {
  const [state, setState] = useState<{ readonly data?: T; readonly error?: Refusal; readonly key: string }>({ key: '' });
  const [key, version] = [JSON.stringify(of), JSON.stringify(at)];
  const latest = useRef({ load, when });
  latest.current = { load, when };
  const reader = useRef<Reader>(undefined);
  const read = useRef(version);
  useEffect(() => {
    const one = new Reader(async (signal) => {
      try {
        const data = await latest.current.load(signal);
        if (!signal.aborted) setState({ data, key });
      } catch (error) {
        if (signal.aborted || isAbort(error)) return;
        setState((before) => ({ ...(before.key === key ? before : {}), key, error: asRefusal(error) }));
      }
    }, every_ms);
    reader.current = one;
    read.current = version;
    one.now();
    const stop = onChange((changed, kinds) => (latest.current.when?.(changed, kinds) === true ? one.soon() : undefined));
    const timer = poll_ms === undefined ? undefined : setInterval(() => (isVisible() ? one.now() : undefined), poll_ms);
    return () => {
      clearInterval(timer);
      one.close();
      stop();
    };
  }, [key]);
  useEffect(() => {
    if (read.current === version) return;
    read.current = version;
    reader.current?.now();
  }, [version]);
  const own = state.key === key;
  return { data: own ? state.data : undefined, error: own ? state.error : undefined, again: () => reader.current?.now() };
}

/** Reads one at a time; what is asked for meanwhile is one more read after it. */
class Reader {
  readonly #read: (signal: AbortSignal) => Promise<void>;
  readonly #every_ms: number;
  readonly #gone = new AbortController();
  #busy = false;
  #asked = false;
  #began = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(read: (signal: AbortSignal) => Promise<void>, every_ms: number) {
    this.#read = read;
    this.#every_ms = every_ms;
  }

  now(): void {
    if (this.#busy) this.#asked = true;
    else void this.#go();
  }

  /** As soon as the last read began long enough ago. */
  soon(): void {
    const left = this.#began + this.#every_ms - performance.now();
    if (left <= 0) this.now();
    else
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        void seen(this.#gone.signal).then(() => this.now());
      }, left);
  }

  close(): void {
    this.#gone.abort();
    clearTimeout(this.#timer);
  }

  async #go(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#busy = true;
    this.#began = performance.now();
    await this.#read(this.#gone.signal);
    this.#busy = false;
    if (!this.#asked) return;
    this.#asked = false;
    await this.#go();
  }
}
