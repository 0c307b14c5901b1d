/**
 * Whether anybody may be looking at this page. A page that nobody looks at asks the host nothing: each request would keep its session alive, and a
 * browser has six connections to a host for all of its tabs. Its views are read again when it is looked at.
 */

export const isVisible = (): boolean => document.visibilityState === 'visible';

/** @returns the way to stop listening */
export function onVisibility(listener: (visible: boolean) => void): () => void {
  const told = () => listener(isVisible());
  document.addEventListener('visibilitychange', told);
  return () => document.removeEventListener('visibilitychange', told);
}

/** Waits until the page can be seen, or until the signal is aborted. */
export function seen(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (isVisible() || signal.aborted) {
      resolve();
      return;
    }
    const over = new AbortController();
    const end = () => {
      if (!isVisible() && !signal.aborted) return;
      over.abort();
      resolve();
    };
    document.addEventListener('visibilitychange', end, { signal: over.signal });
    signal.addEventListener('abort', end, { signal: over.signal });
  });
}

/** A person who looks at another page for a moment comes back to a stream that is still open. */
const HIDDEN_MS = 10_000;

/** A signal that is aborted once the page has been out of sight for a while: then a stream is closed. */
export function hiddenAWhile(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const away = new AbortController();
  let waits: ReturnType<typeof setTimeout> | undefined;
  const look = (visible: boolean) => {
    clearTimeout(waits);
    waits = visible ? undefined : setTimeout(() => away.abort(), HIDDEN_MS);
  };
  look(isVisible());
  const end = onVisibility(look);
  return {
    signal: away.signal,
    stop() {
      clearTimeout(waits);
      end();
    },
  };
}
