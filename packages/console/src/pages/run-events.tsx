/**
 * The words of a run while it goes on: parts of streamed answers, what it emits and logs, as they are written to its journal. They are read from the
 * journal, so nothing is missed or shown twice when the connection breaks.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Withheld } from '@corral/protocol/api/withheld';
import type { RunEvent } from '@corral/protocol/api/run-events';
import { asRefusal, isAbort, Refusal } from '../data/api.ts';
import { href } from '../data/address.ts';
import { readEvents } from '../data/stream.ts';
import { hiddenAWhile, seen } from '../data/visible.ts';
import { Badge, Empty, Moment, Problem } from '../ui/parts.tsx';
import { Text, ValueOr } from '../ui/text.tsx';
import type { TabProps } from './run-props.ts';

/** Parts of a stream become one text, which is one item. */
type Item =
  | { readonly id: string; readonly at: number; readonly call: number; text: string; readonly withheld: Withheld | undefined }
  | { readonly id: string; readonly at: number; readonly event: Exclude<RunEvent, { kind: 'chunk' }> };

/** Items that are kept on the page: the latest. */
const KEPT = 500;
/** Entries before the end at which a long journal is begun. */
const TAIL = 200;
/** The page is drawn again at most this often. */
const DRAW_MS = 100;
const RETRY_MS = 2_000;

const entryOf = (id: string): string => id.split('-', 1)[0] ?? '';

/** The words of a part of a stream; of a part that has none, all of it. */
function textOf(part: unknown): string {
  const { type, delta } = (part ?? {}) as { readonly type?: unknown; readonly delta?: unknown };
  if (typeof delta === 'string' && typeof type === 'string' && type.endsWith('-delta')) return delta;
  return typeof type === 'string' && /-(?:start|end)$/.test(type) ? '' : `${JSON.stringify(part)}\n`;
}

/** Adds an event to what is shown; parts of the stream that the last item is of go into it. */
function add(items: Item[], event: RunEvent): void {
  const { id, at } = event;
  if (event.kind !== 'chunk') items.push({ id, at, event });
  else {
    const text = event.parts.map(textOf).join('');
    const last = items.at(-1);
    const { withheld } = event;
    const isSame = last !== undefined && 'call' in last && last.call === event.call && last.withheld?.why === withheld?.why;
    if (isSame) last.text += text;
    else items.push({ id, at, call: event.call, text, withheld });
  }
  items.splice(0, items.length - KEPT);
}

interface Followed {
  readonly items: readonly Item[];
  readonly error: Refusal | undefined;
}

/** @param after the place in the journal to begin after; undefined: its beginning */
function useEvents({ run }: TabProps, after: string | undefined): Followed {
  const [shown, setShown] = useState<Followed>({ items: [], error: undefined });
  useEffect(() => {
    const gone = new AbortController();
    const { signal } = gone;
    const items: Item[] = [];
    let drawing: ReturnType<typeof setTimeout> | undefined;
    let [last, isOver] = [after, false];
    const draw = (error?: Refusal) => {
      drawing = undefined;
      if (!signal.aborted) setShown({ items: [...items], error });
    };
    const told = (_: string, data: string, id: string | undefined) => {
      const event = JSON.parse(data) as RunEvent;
      last = id;
      isOver = event.kind === 'ended';
      add(items, event);
      drawing ??= setTimeout(draw, DRAW_MS);
    };
    const follow = async () => {
      while (!signal.aborted && !isOver) {
        await seen(signal);
        const away = hiddenAWhile();
        try {
          const until = AbortSignal.any([signal, away.signal]);
          await readEvents('runEvents', { params: { run: run.run }, last, signal: until, told });
        } catch (error) {
          if (signal.aborted) return;
          if (!isAbort(error)) draw(asRefusal(error));
          if (error instanceof Refusal && error.status >= 400 && error.status < 500) return;
        } finally {
          away.stop();
        }
        if (!isOver) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    };
    draw();
    void follow();
    return () => {
      gone.abort();
      clearTimeout(drawing);
    };
  }, [run.run, after]);
  return shown;
}

export function EventsTab({ run }: TabProps) {
  const from = useRef(Math.max(0, run.journal_entries - TAIL));
  const [whole, setWhole] = useState(false);
  const begins = whole || from.current === 0 ? undefined : `${from.current}-0`;
  const { items, error } = useEvents({ run }, begins);
  return (
    <>
      {begins !== undefined && (
        <p class="dim">
          From entry {from.current} on.{' '}
          <button type="button" onClick={() => setWhole(true)}>
            From its beginning
          </button>
        </p>
      )}
      {error !== undefined && <Problem of={error} />}
      {items.length === 0 && <Empty>{run.ended_as === null ? 'It has said nothing yet.' : 'It said nothing.'}</Empty>}
      {items.length === KEPT && <p class="dim">These are the latest {KEPT}; the journal has all.</p>}
      <ol class="cards" aria-label="Events">
        {items.map((item) => (
          <li class="card pad" key={item.id}>
            <p class="dim">
              <Moment at={item.at} /> ·{' '}
              <a href={`${href('run', run.run, 'journal')}?entry=${entryOf(item.id)}`}>entry {entryOf(item.id)}</a>
            </p>
            {'call' in item ? (
              <>
                <p>Streamed to it, call {item.call}:</p>
                <ValueOr of={item.text} withheld={item.withheld} />
              </>
            ) : (
              <Said of={item.event} />
            )}
          </li>
        ))}
      </ol>
    </>
  );
}

function Said({ of }: { readonly of: Exclude<RunEvent, { kind: 'chunk' }> }) {
  if (of.kind === 'ended')
    return (
      <p>
        <Badge tone="calm">ended</Badge> <Text of={of.ended_as} />
      </p>
    );
  if (of.kind === 'logged')
    return (
      <>
        <p>
          <Badge tone={of.level === 'error' ? 'bad' : of.level === 'warn' ? 'warn' : 'calm'}>
            <Text of={of.level} />
          </Badge>
        </p>
        <ValueOr of={of.text} withheld={of.withheld} />
      </>
    );
  return (
    <>
      <p>
        Emitted <Text of={of.event} />
      </p>
      <ValueOr of={of.data} withheld={of.withheld} />
    </>
  );
}
