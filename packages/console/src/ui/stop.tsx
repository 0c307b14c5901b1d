/**
 * Stopping runs. A pause can be taken back, so one key or one touch does it, and does nothing else: the same key never resumes what somebody or a
 * detector has paused meanwhile. All that cannot be taken back, and a resumption, asks first; so no single key, and no key held by accident, ends
 * anything or lets anything go on.
 */
import { useRef, useState } from 'preact/hooks';
import { ask, asRefusal, hasRole, type Refusal } from '../data/api.ts';
import { tail } from '../format.ts';
import { useKeys } from '../keys.ts';
import { act, operated, type Subject, type Verb } from './acting.tsx';
import { Problem } from './parts.tsx';
import { Text } from './text.tsx';

interface Stopped extends Subject {
  readonly control: string;
  readonly ended_as: string | null;
}

const NO_REASON = 'by one key or touch in the console';

interface StopProps {
  readonly run: Stopped;
  /** Whether the menu says which run it is about, where nothing beside it does. */
  readonly isNamed?: boolean;
  /** Called after a pause. */
  readonly done: () => void;
}

export function StopMenu({ run, isNamed = false, done }: StopProps) {
  const [error, setError] = useState<Refusal>();
  /** It was paused here, and that can be taken back. */
  const [paused, setPaused] = useState(false);
  const busy = useRef(false);
  const may = hasRole('operator', 'admin');
  const isOver = run.ended_as !== null;
  const isHeld = run.control !== 'none';
  const pause = async () => {
    if (busy.current || isHeld) return;
    busy.current = true;
    setError(undefined);
    try {
      await operated(run.run, 'pause', NO_REASON);
      setPaused(true);
    } catch (failure) {
      setError(asRefusal(failure));
    }
    busy.current = false;
    done();
  };
  const opens = (verb: Verb) => () => (act.value = { run: { run: run.run, agent: run.agent }, verb });
  useKeys(
    [
      { key: 'p', does: 'pause the run; it never resumes one', run: () => void pause() },
      ...(isHeld ? [{ key: 'R', does: 'resume the run: asks for the reason', run: opens('resume') }] : []),
      { key: 'K', does: 'kill the run: shows first what that reaches', run: opens('kill') },
    ],
    !isOver && may,
  );
  if (isOver || (!may && !hasRole('developer'))) return null;
  return (
    <div class="stop" role="group" aria-label={`Stop the run ${run.run}`}>
      {isNamed && (
        <span class="dim">
          <Text of={run.agent} /> <code>{tail(run.run)}</code>
        </span>
      )}
      {may && (
        <button type="button" onClick={isHeld ? opens('resume') : () => void pause()}>
          {isHeld ? 'Resume…' : 'Pause'}
        </button>
      )}
      <button type="button" onClick={opens('cancel')}>
        Cancel…
      </button>
      {may && (
        <button type="button" class="danger" onClick={opens('kill')}>
          Kill…
        </button>
      )}
      {paused && isHeld && <Undo run={run.run} done={done} />}
      {error !== undefined && <Problem of={error} />}
    </div>
  );
}

/** Takes a pause back, and no other one: the host refuses it if somebody has stopped the run otherwise meanwhile. */
function Undo({ run, done }: { readonly run: string; readonly done: () => void }) {
  const [error, setError] = useState<Refusal>();
  const undo = async () => {
    setError(undefined);
    try {
      const { halt } = await ask('whyRun', { params: { run: run as never } });
      await operated(run, 'resume', 'the pause by one key or touch was taken back', false, halt);
    } catch (failure) {
      setError(asRefusal(failure));
    }
    done();
  };
  return (
    <span role="status">
      You have paused it.{' '}
      <button type="button" class="quiet" onClick={() => void undo()}>
        Undo
      </button>
      {error !== undefined && <Problem of={error} />}
    </span>
  );
}
