/**
 * The events of the host, as one stream for the whole page. It is read by fetch, since an EventSource says nothing about why it failed. Views are
 * told which runs changed, at most twice a second, and read those again; so a view is never more than that behind, and the header says if it is.
 */
import { signal } from '@preact/signals';
import { addressOf, me, refusalOf, send } from './api.ts';

export type Liveness = 'connecting' | 'live' | 'off';
export const liveness = signal<Liveness>('connecting');

/** Runs of which something was heard since the last call; undefined: events were missed, so anything may have changed. */
export type Changed = ReadonlySet<string> | undefined;
type Listener = (changed: Changed, kinds: ReadonlySet<string>) => void;

const EVERY_MS = 500;
const RETRY_MS = 2_000;
/** A stream that says nothing, not even that it is still there, has been lost. The host sends a sign every 15 s. */
const SILENCE_MS = 40_000;

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
  const [changed, of] = [missed ? undefined : runs, kinds];
  [runs, kinds, missed] = [new Set(), new Set(), false];
  for (const listener of listeners) listener(changed, of);
}

function note(kind: string, run: string | undefined): void {
  if (kind === 'reset') missed = true;
  else kinds.add(kind);
  if (run !== undefined) runs.add(run);
  timer ??= setTimeout(tell, EVERY_MS);
}

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));

/** Follows for as long as somebody is signed in; comes back after the last event that was read. */
export async function follow(signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  while (!signal.aborted && me.value) {
    try {
      last = await read(last, signal);
    } catch {
      // The loop asks again.
    }
    if (signal.aborted) return;
    if (liveness.value === 'live') liveness.value = 'connecting';
    if (liveness.value === 'off') return;
    await pause(RETRY_MS);
  }
}

/** @returns the id of the last event, when the stream ends */
async function read(last: string | undefined, ended: AbortSignal): Promise<string | undefined> {
  const lost = new AbortController();
  let silence: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => lost.abort(), SILENCE_MS);
  };
  const { path } = addressOf('events', {});
  const response = await send(path, {
    headers: { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) },
    signal: AbortSignal.any([ended, lost.signal]),
  });
  if (!response.ok || response.body === null) {
    const { status } = await refusalOf(response, 'events');
    if (status === 403) liveness.value = 'off';
    return last;
  }
  // Changes since the last stream were missed.
  if (last === undefined || liveness.value !== 'live') note('reset', undefined);
  liveness.value = 'live';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let kind = '';
  try {
    for (;;) {
      heard();
      const { value, done } = await reader.read();
      if (done) return last;
      const lines = (rest + value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('id: ')) last = line.slice(4);
        else if (line.startsWith('event: ')) kind = line.slice(7);
        else if (line.startsWith('data: ')) note(kind, (JSON.parse(line.slice(6)) as { run?: string }).run);
      }
    }
  } catch {
    return last;
  } finally {
    clearTimeout(silence);
  }
}
