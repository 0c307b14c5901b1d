/** Data of a view: read when it opens, read again when the host tells of a change, and kept on the page meanwhile. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { isAbort, Refusal } from './api.ts';
import { onChange, type Changed } from './live.ts';

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: Refusal | undefined;
  readonly again: () => void;
}

/** @param when whether these changes concern the view; left out: never */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  when?: (changed: Changed, kinds: ReadonlySet<string>) => boolean,
): Loaded<T> {
  const [state, setState] = useState<{ readonly data?: T; readonly error?: Refusal; readonly key: string }>({ key: '' });
  const key = JSON.stringify(deps);
  const run = useRef<() => void>(() => undefined);
  useEffect(() => {
    const gone = new AbortController();
    let [busy, asked] = [false, false];
    const read = async (): Promise<void> => {
      if (busy) {
        asked = true;
        return;
      }
      busy = true;
      try {
        const data = await load(gone.signal);
        if (!gone.signal.aborted) setState({ data, key });
      } catch (error) {
        if (gone.signal.aborted || isAbort(error)) return;
        const refusal = error instanceof Refusal ? error : new Refusal(0, 'CORRAL_INTERNAL', String(error), '');
        // Data that were read before stay, unless they are of another thing.
        setState((before) => ({ ...(before.key === key ? before : {}), key, error: refusal }));
      } finally {
        busy = false;
      }
      if (asked && !gone.signal.aborted) {
        asked = false;
        void read();
      }
    };
    run.current = () => void read();
    void read();
    const stop = when === undefined ? undefined : onChange((changed, kinds) => (when(changed, kinds) ? void read() : undefined));
    return () => {
      gone.abort();
      stop?.();
    };
  }, [key]);
  const own = state.key === key;
  return { data: own ? state.data : undefined, error: own ? state.error : undefined, again: () => run.current() };
}
