/**
 * The events of the host, as one stream for the whole page. Views are told which runs changed, at most twice a second, and read those again; so a
 * view is never more than that behind, and the header says if it is. While nobody looks at the page there is no stream, and views hear
 * nothing; they are read again when the page is looked at.
 */
import { signal } from '@preact/signals';
import { me, Refusal } from './api.ts';
import { readEvents } from './stream.ts';
import { hiddenAWhile, isVisible, onVisibility, seen } from './visible.ts';

/** Counts the decisions that were made on this page, so that what counts the open ones is read again at once. */
export const decidedHere = signal(0);

export type Liveness = 'connecting' | 'live' | 'off';
export const liveness = signal<Liveness>('connecting');

/** Runs of which something was heard since the last call; undefined: events were missed, so anything may have changed. */
export type Changed = ReadonlySet<string> | undefined;
type Listener = (changed: Changed, kinds: ReadonlySet<string>) => void;

const EVERY_MS = 500;
const RETRY_MS = 2_000;

const listeners = new Set<Listener>();
let runs = new Set<string>();
let kinds = new Set<string>();
let missed = false;
let timer: ReturnType<typeof setTimeout> | undefined;

export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function tell(): void {
  timer = undefined;
  if (!isVisible() || (!missed && kinds.size === 0)) return;
  const [changed, of] = [missed ? undefined : runs, kinds];
  [runs, kinds, missed] = [new Set(), new Set(), false];
  for (const listener of listeners) listener(changed, of);
}
// Views are told then of what was heard while they could not be seen.
onVisibility(tell);

function note(kind: string, run: string | null | undefined): void {
  if (kind === 'reset') missed = true;
  else kinds.add(kind);
  if (run !== undefined && run !== null) runs.add(run);
  timer ??= setTimeout(tell, EVERY_MS);
}

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));

/** Follows for as long as somebody is signed in and looks; comes back after the last event that was read. */
export async function follow(signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  while (!signal.aborted && me.value) {
    await seen(signal);
    if (signal.aborted) return;
    const away = hiddenAWhile();
    try {
      await readEvents('events', {
        query: { changes: 'true' },
        last,
        signal: AbortSignal.any([signal, away.signal]),
        opened() {
          // Changes since the last stream were missed.
          if (last === undefined || liveness.value !== 'live') note('reset', undefined);
          liveness.value = 'live';
        },
        told(kind, data, id) {
          last = id;
          const { run } = JSON.parse(data) as { run?: string | null };
          // Where very many runs changed, none is named.
          note(kind === 'run.changed' && run === undefined ? 'reset' : kind, run);
        },
      });
    } catch (error) {
      // Any other failure may pass: the loop asks again.
      if (error instanceof Refusal && error.status === 403) liveness.value = 'off';
    }
    away.stop();
    if (signal.aborted || liveness.value === 'off') return;
    liveness.value = 'connecting';
    if (!away.signal.aborted) await pause(RETRY_MS);
  }
}
