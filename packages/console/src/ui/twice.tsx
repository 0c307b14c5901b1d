/** A button that asks once more where it stands, so that no single touch decides anything. */
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { useAttempt } from '../data/attempt.ts';
import { Problem } from './parts.tsx';

interface TwiceProps {
  readonly name: string;
  readonly tone?: 'good' | 'danger';
  /** The word on the button that does it. */
  readonly verb: string;
  readonly act: () => Promise<unknown>;
  readonly disabled?: boolean;
  /** What follows from it. */
  readonly children: ComponentChildren;
}

export function Twice({ name, tone, verb, act, disabled = false, children }: TwiceProps) {
  const [asks, setAsks] = useState(false);
  const { attempt, busy, error } = useAttempt();
  if (!asks)
    return (
      <button type="button" class={tone} disabled={disabled} onClick={() => setAsks(true)}>
        {name}…
      </button>
    );
  return (
    <div class="twice" role="group" aria-label={name}>
      <p>{children}</p>
      {error !== undefined && <Problem of={error} />}
      <div class="row">
        <button type="button" class={tone} disabled={busy} onClick={() => void attempt(act, () => setAsks(false))}>
          {verb}
        </button>
        <button type="button" onClick={() => setAsks(false)}>
          Back
        </button>
      </div>
    </div>
  );
}
