/** Small parts that views share. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Refusal } from '../data/api.ts';
import type { Loaded } from '../data/load.ts';
import { count, duration, moment } from '../format.ts';
import { Text } from './text.tsx';

export type Tone = 'good' | 'bad' | 'warn' | 'asks' | 'calm' | 'busy';

export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

interface RunState {
  readonly lifecycle: string;
  readonly control: string;
  readonly ended_as: string | null;
  readonly waiting?: string;
  readonly on_cpu?: boolean;
  readonly stopped_by?: string | null;
}

/** One word for the state of a run: what a person must know of it first. */
function stateOf({ lifecycle, control, ended_as, waiting, on_cpu, stopped_by }: RunState): {
  readonly tone: Tone;
  readonly text: string;
} {
  if (ended_as !== null) return { tone: ended_as === 'completed' ? 'good' : ended_as === 'cancelled' ? 'calm' : 'bad', text: ended_as };
  if (control !== 'none') return { tone: 'warn', text: stopped_by === 'loops' ? `${control} by the loop detector` : control };
  if (waiting === 'approval') return { tone: 'asks', text: 'asks approval' };
  if (waiting === 'resolution') return { tone: 'asks', text: 'result unknown' };
  if (waiting === 'upgrade') return { tone: 'asks', text: 'needs upgrade' };
  if (lifecycle === 'queued') return { tone: 'calm', text: 'queued' };
  if (on_cpu === true) return { tone: 'busy', text: 'computes' };
  return { tone: 'busy', text: waiting === undefined || waiting === 'nothing' ? 'active' : 'waits' };
}

export function State({ of }: { readonly of: RunState }) {
  const { tone, text } = stateOf(of);
  return (
    <Badge tone={tone}>
      <Text of={text} />
    </Badge>
  );
}

/** What a state does not say: that something was refused to the run, or done and its agent not told. */
export function Noted({ of: { refused, withheld } }: { readonly of: { readonly refused: number; readonly withheld: number } }) {
  return (
    <>
      {refused > 0 && <Badge tone="bad">{count(refused)} refused</Badge>}{' '}
      {withheld > 0 && <Badge tone="asks">{count(withheld)} done, agent not told</Badge>}
    </>
  );
}

const ticking = new Set<(now: number) => void>();
setInterval(() => {
  for (const tick of ticking) tick(Date.now());
}, 5_000);

function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    ticking.add(setNow);
    return () => void ticking.delete(setNow);
  }, []);
  return now;
}

/** How long ago, with the moment itself for who points at it. */
export function Ago({ at }: { readonly at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {duration(Math.max(0, now - at))} ago
    </time>
  );
}

interface UntilProps {
  readonly at: number;
  /** Words before how long there is still: `expires in`. */
  readonly to?: string;
  /** Said instead once the time has come. */
  readonly past?: string;
}

/** How long there is still. */
export function Until({ at, to = '', past = 'expired' }: UntilProps) {
  const now = useNow();
  const left = at - now;
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {left <= 0 ? past : `${to} ${duration(left)}`.trim()}
    </time>
  );
}

export function Moment({ at }: { readonly at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {moment(at)}
    </time>
  );
}

/** Why something cannot be shown or was not done. */
export function Problem({ of, again }: { readonly of: Refusal; readonly again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>
        <Text of={of.message} />
      </p>
      <p class="dim">
        <code>{of.code}</code> <Text of={of.hint} />
      </p>
      {again !== undefined && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Loading() {
  return (
    <p class="empty" role="status">
      Loading…
    </p>
  );
}

/** A named fact. */
export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [done, setDone] = useState(false);
  // Browsers give a clipboard only to pages of https and of the machine itself.
  if (!isSecureContext) return null;
  const copy = () =>
    void navigator.clipboard.writeText(text).then(
      () => setDone(true),
      () => undefined,
    );
  return (
    <button type="button" class="quiet" onClick={copy} aria-label={`Copy ${what}`}>
      {done ? 'copied' : 'copy'}
    </button>
  );
}

/** Sentences or names, one below the other. */
export function Words({ of }: { readonly of: readonly string[] }) {
  return (
    <ul class="plain">
      {of.map((word, index) => (
        // A line that begins with spaces belongs to the one before it.
        <li key={index} class={word.startsWith('  ') ? 'nested' : ''}>
          <Text of={word.trim()} />
        </li>
      ))}
    </ul>
  );
}

interface ShownProps<T> {
  readonly of: Loaded<T>;
  readonly children: (data: T) => ComponentChildren;
}

/** Data that are loaded, or why they are not. If they could not be read again, the old ones stay, and the reason stands above them. */
export function Shown<T>({ of: { data, error, again }, children }: ShownProps<T>) {
  return (
    <>
      {error !== undefined && <Problem of={error} again={again} />}
      {data === undefined ? error === undefined && <Loading /> : children(data)}
    </>
  );
}
