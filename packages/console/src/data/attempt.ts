/** An act on the host that a person asked for: done once however often it is asked for meanwhile, and why it was not done. */
import { useRef, useState } from 'preact/hooks';
import { asRefusal, type Refusal } from './api.ts';

export function useAttempt() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Refusal>();
  /** Two presses of Enter come before the page is drawn again. */
  const begun = useRef(false);
  /** @param done follows only if it was done */
  const attempt = async (work: () => Promise<unknown>, done: () => void = () => undefined): Promise<void> => {
    if (begun.current) return;
    begun.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await work();
      done();
    } catch (failure) {
      setError(asRefusal(failure));
    }
    begun.current = false;
    setBusy(false);
  };
  return { attempt, busy, error, clear: () => setError(undefined) };
}
