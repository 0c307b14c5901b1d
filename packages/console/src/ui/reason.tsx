/** Asks for a reason before something that changes authority, and says what went wrong if it was not done. */
import { useState, type Dispatch, type StateUpdater } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { asRefusal, type Refusal } from '../data/api.ts';
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
  const [error, setError] = useState<Refusal>();
  const [busy, setBusy] = useState(false);
  const done = closes ? onClose : () => undefined;
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim() !== '' && !busy) void attempt(() => act(reason.trim()), setBusy, setError, done);
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

/** Does something once; `done` follows only if it was done. */
export async function attempt(
  work: () => Promise<unknown>,
  setBusy: (busy: boolean) => void,
  setError: Dispatch<StateUpdater<Refusal | undefined>>,
  done: () => void,
): Promise<void> {
  setBusy(true);
  setError(undefined);
  try {
    await work();
    setBusy(false);
    done();
  } catch (error) {
    setBusy(false);
    setError(asRefusal(error));
  }
}
