/** Server-sent events by fetch: an EventSource cannot send the session's key, and says nothing about why it failed. */
import { addressOf, refusalOf, send } from './api.ts';

/** A stream that says nothing, not even that it is still there, has been lost. The host sends a sign every 15 s. */
const SILENCE_MS = 40_000;

interface Reading {
  readonly params?: object;
  readonly query?: Readonly<Record<string, string>>;
  /** The id of the last event that was read before. */
  readonly last?: string | undefined;
  readonly signal: AbortSignal;
  /** The host has answered. */
  readonly opened?: () => void;
  readonly told: (kind: string, data: string, id: string | undefined) => void;
}

/** Reads until the stream ends, is lost, or the signal is aborted; the last two throw. @throws Refusal, and AbortError */
export async function readEvents(
  name: 'events' | 'runEvents',
  { params = {}, query = {}, last, signal, opened, told }: Reading,
): Promise<void> {
  const lost = new AbortController();
  let silence: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => lost.abort(), SILENCE_MS);
  };
  // A host that takes the request and never answers is lost, too.
  heard();
  try {
    const response = await send(name, addressOf(name, { params, query }).path, {
      headers: { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) },
      signal: AbortSignal.any([signal, lost.signal]),
    });
    if (!response.ok) throw await refusalOf(response);
    opened?.();
    // There is nothing more to tell.
    if (response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let [rest, kind, id] = ['', '', undefined as string | undefined];
    for (;;) {
      heard();
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('id: ')) id = line.slice(4);
        else if (line.startsWith('event: ')) kind = line.slice(7);
        else if (line.startsWith('data: ')) told(kind, line.slice(6), id);
      }
    }
  } finally {
    clearTimeout(silence);
  }
}
