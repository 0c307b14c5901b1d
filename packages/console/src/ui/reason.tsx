/** Asks for a reason before something that changes authority, and says what went wrong if it was not done. */
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { useAttempt } from '../data/attempt.ts';
import { Dialog } from './dialog.tsx';
import { Problem } from './parts.tsx';

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
  const [reason, setReason] = useState('');
  const { attempt, busy, error } = useAttempt();
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim() !== '') void attempt(() => act(reason.trim()), closes ? onClose : undefined);
        }}
      >
        <label for="reason">Reason, for the record</label>
        <input id="reason" value={reason} maxLength={500} required autofocus onInput={(event) => setReason(event.currentTarget.value)} />
        {error !== undefined && <Problem of={error} />}
        <div class="row">
          <button type="submit" class="danger" disabled={reason.trim() === '' || busy}>
            {verb}
          </button>
          <button type="button" onClick={onClose}>
            Back
          </button>
          {reason.trim() === '' && <span class="dim">The reason is missing.</span>}
        </div>
      </form>
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
