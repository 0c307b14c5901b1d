/**
 * Stopping runs. A pause can be taken back, so one key or one touch does it, and does nothing else: the same key never resumes what somebody or a
 * detector has paused meanwhile. All that cannot be taken back, and a resumption, asks first; so no single key, and no key held by accident, ends
 * anything or lets anything go on.
 */
import { useState } from 'preact/hooks';
import { ask, hasRole } from '../data/api.ts';
import { useAttempt } from '../data/attempt.ts';
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
  const { attempt, error } = useAttempt();
  /** The entry by which it was paused here. That pause can be taken back, and no later one: the host refuses it if the run was stopped since. */
  const [halt, setHalt] = useState<number>();
  const may = hasRole('operator', 'admin');
  const isOver = run.ended_as !== null;
  const isHeld = run.control !== 'none';
  const doing = async (work: () => Promise<unknown>) => {
    await attempt(work);
    done();
  };
  const pause = async () => {
    if (isHeld) return;
    await doing(async () => {
      await operated(run.run, 'pause', NO_REASON);
      const explained = ask('whyRun', { params: { run: run.run as never } });
      // A pause that is not explained has no undo, and has been made.
      void explained.then((why) => setHalt(why.halt)).catch(() => undefined);
    });
  };
  const undo = (paused: number) =>
    doing(async () => {
      await operated(run.run, 'resume', 'the pause by one key or touch was taken back', false, paused);
      setHalt(undefined);
    });
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
      <Verbs
        of={[
          ...(may ? [isHeld ? (['Resume…', opens('resume')] as const) : (['Pause', () => void pause()] as const)] : []),
          ['Cancel…', opens('cancel')],
          ...(may ? [['Kill…', opens('kill')] as const] : []),
        ]}
      />
      {halt !== undefined && isHeld && (
        <span role="status">
          You have paused it.{' '}
          <button type="button" class="quiet" onClick={() => void undo(halt)}>
            Undo
          </button>
        </span>
      )}
      {error !== undefined && <Problem of={error} />}
    </div>
  );
}

/** Buttons of acts that stop runs or let them go on, by the words on them. */
export function Verbs({ of }: { readonly of: readonly (readonly [word: string, act: () => void])[] }) {
  return (
    <>
      {of.map(([word, act], index) => (
        // By its place, so that the one that pauses keeps the focus when it becomes the one that resumes.
        <button type="button" key={index} class={word === 'Kill…' ? 'danger' : undefined} onClick={act}>
          {word}
        </button>
      ))}
    </>
  );
}
