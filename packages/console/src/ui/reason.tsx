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
  const { lackOf, said } = lacksOf(acts, reason.trim() === '', lacks === '' ? unlike(typed, text) : lacks);
  const run = ({ act }: Act) => void attempt(() => act(reason.trim()), done);
  const [only] = acts.length === 1 ? acts : [];
  const look = again && {
    again: () => {
      clear();
      again();
    },
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (only !== undefined && lackOf(only) === '') run(only);
      }}
    >
      <label for={field}>Reason, for the record</label>
      <input
        id={field}
        value={reason}
        maxLength={500}
        required={!acts.some(({ isMute }) => isMute)}
        autofocus
        onInput={(event) => setReason(event.currentTarget.value)}
      />
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
      {error !== undefined && <Problem of={error} {...look} />}
      <div class="row">
        {acts.map((one) => (
          <button
            key={one.verb}
            type={one === only ? 'submit' : 'button'}
            class={one.tone ?? 'danger'}
            disabled={lackOf(one) !== '' || busy}
            onClick={one === only ? undefined : () => run(one)}
          >
            {busy ? 'Doing it…' : one.verb}
          </button>
        ))}
        <button type="button" onClick={onBack}>
          Back
        </button>
        {said !== '' && <span class="dim">{said}</span>}
      </div>
    </form>
  );
}

/** What each act lacks, and what is said of that beside the buttons. @param other what all of them lack besides a reason; empty: nothing */
function lacksOf(acts: readonly Act[], isSilent: boolean, other: string) {
  const needy = acts.filter(({ isMute }) => isMute !== true);
  const lackOf = (one: Act): string => (isSilent && needy.includes(one) ? 'The reason is missing.' : other);
  if (!isSilent || other !== '' || needy.length === acts.length)
    return { lackOf, said: acts.map((one) => lackOf(one)).find(Boolean) ?? '' };
  const said = needy.length === 0 ? '' : `The reason is missing: “${needy.map(({ verb }) => verb).join('”, “')}” needs one.`;
  return { lackOf, said };
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
