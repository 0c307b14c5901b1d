/** Asks for a reason before something that changes authority or ends something, and says what went wrong if it was not done. */
import { useId, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { useAttempt } from '../data/attempt.ts';
import { Dialog } from './dialog.tsx';
import { Problem } from './parts.tsx';

interface Act {
  /** The word on its button. */
  readonly verb: string;
  readonly tone?: 'danger' | 'good';
  readonly act: (reason: string) => Promise<unknown>;
  /** It needs no reason. */
  readonly isMute?: boolean;
}

/** What a person types, so that no key that is held by accident does it. */
interface Typed {
  readonly label: string;
  readonly wanted: string;
  /** What to type, as the beginning of a sentence: `The four characters`. */
  readonly name: string;
}

interface FormProps {
  /** With several, Enter does none of them. */
  readonly acts: readonly Act[];
  readonly onBack: () => void;
  readonly done?: (() => void) | undefined;
  readonly typed?: Typed | undefined;
  /** Why it cannot be done yet, whatever is written; empty: it can. */
  readonly lacks?: string;
  /** Called when a person wants to look again after a refusal. */
  readonly again?: () => void;
  readonly children?: ComponentChildren;
}

/** A field for the reason, what the act needs besides, and its buttons. A button that does nothing yet has the reason beside it. */
export function ReasonForm({ acts, onBack, done, typed, lacks = '', again, children }: FormProps) {
  const [reason, setReason] = useState('');
  const [text, setText] = useState('');
  const [field, typing] = [useId(), useId()];
  const { attempt, busy, error, clear } = useAttempt();
  const other = lacks === '' ? unlike(typed, text) : lacks;
  const isSilent = reason.trim() === '';
  const missingOf = ({ isMute = false }: Act): string => (isSilent && !isMute ? 'The reason is missing.' : other);
  /** Said beside the buttons; where some of them need no reason, it says which do. */
  const needy = acts.filter(({ isMute }) => isMute !== true);
  const missing =
    other === '' && isSilent && needy.length < acts.length
      ? `The reason is missing: ${needy.map(({ verb }) => verb).join(', ')} needs one.`
      : acts.map((one) => missingOf(one)).find((text) => text !== '') ?? '';
  const run = ({ act }: Act) => void attempt(() => act(reason.trim()), done);
  const [only] = acts.length === 1 ? acts : [];
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (only !== undefined && missingOf(only) === '') run(only);
      }}
    >
      <label for={field}>Reason, for the record</label>
      <input id={field} value={reason} maxLength={500} required={needy.length === acts.length} autofocus onInput={(event) => setReason(event.currentTarget.value)} />
      {typed !== undefined && (
        <>
          <label for={typing}>
            {typed.label}: <code>{typed.wanted}</code>
          </label>
          <input
            id={typing}
            value={text}
            maxLength={typed.wanted.length}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </>
      )}
      {children}
      {error !== undefined && (
        <Problem
          of={error}
          {...(again && {
            again: () => {
              clear();
              again();
            },
          })}
        />
      )}
      <div class="row">
        {acts.map((one) => (
          <button
            key={one.verb}
            type={one === only ? 'submit' : 'button'}
            class={one.tone ?? 'danger'}
            disabled={missingOf(one) !== '' || busy}
            onClick={one === only ? undefined : () => run(one)}
          >
            {busy ? 'Doing it…' : one.verb}
          </button>
        ))}
        <button type="button" onClick={onBack}>
          Back
        </button>
        {missing !== '' && <span class="dim">{missing}</span>}
      </div>
    </form>
  );
}

function unlike(typed: Typed | undefined, text: string): string {
  if (typed === undefined || text === typed.wanted) return '';
  return `${typed.name} ${text.length < typed.wanted.length ? 'are missing' : 'differ'}.`;
}

interface ReasonProps {
  readonly title: string;
  /** The word on the button. */
  readonly verb: string;
  readonly children: ComponentChildren;
  readonly act: (reason: string) => Promise<unknown>;
  readonly onClose: () => void;
  /** False: it stays after the act, until whoever shows it puts something else in its place. */
  readonly closes?: boolean;
}

export function Reason({ title, verb, children, act, onClose, closes = true }: ReasonProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <ReasonForm acts={[{ verb, act }]} onBack={onClose} done={closes ? onClose : undefined} />
    </Dialog>
  );
}

interface ProofProps {
  /** Why it is asked for: the end of a sentence. */
  readonly why: string;
  readonly token: string;
  readonly set: (token: string) => void;
}

/** The person's token once more, so that a console that was left open is not enough. */
export function Proof({ why, token, set }: ProofProps) {
  return (
    <label>
      Your token once more, since {why}
      <input type="password" autocomplete="off" value={token} maxLength={8192} onInput={(event) => set(event.currentTarget.value)} />
    </label>
  );
}
