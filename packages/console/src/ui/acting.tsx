/**
 * The question before a run is resumed or ended, and the receipt after its end. The frame of the page holds it, and no view: a run that has ended
 * leaves its list, and what was done to it must stay to be read until the person closes it.
 */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, Refusal } from '../data/api.ts';
import { useLoad } from '../data/load.ts';
import { Dialog } from './dialog.tsx';
import { Fact, Problem, Words } from './parts.tsx';
import { Reason, ReasonForm } from './reason.tsx';
import { Reached, Receipts, type Reach, type Result } from './receipts.tsx';
import { Text } from './text.tsx';

export type Verb = 'resume' | 'cancel' | 'kill';
type End = Exclude<Verb, 'resume'>;
export interface Subject {
  readonly run: string;
  readonly agent: string;
}

/** The question that is open just now. */
export const act = signal<{ readonly run: Subject; readonly verb: Verb } | undefined>(undefined);
const close = () => (act.value = undefined);

export function Acting() {
  const now = act.value;
  if (now === undefined) return null;
  const { run, verb } = now;
  return verb === 'resume' ? <Resume run={run} key={run.run} /> : <Ending run={run} verb={verb} key={`${run.run} ${verb}`} />;
}

/** Asks the host for an act on one run; a run that it refuses is an error. */
export async function operated(run: string, operation: Verb | 'pause', reason: string, dryRun = false, halt?: number): Promise<Result> {
  const seen = halt === undefined ? {} : { halt };
  const result = await ask('operate', { body: { operation, target: { run: run as never }, reason, dryRun, ...seen } });
  const [first] = result.refused;
  if (first !== undefined && result.receipts.length === 0) throw new Refusal(409, first.code, first.detail, '');
  return result;
}

/** A pause has a cause, which a person should have read before the run goes on. */
function Resume({ run }: { readonly run: Subject }) {
  const why = useLoad((signal) => ask('whyRun', { params: { run: run.run as never } }, signal), { of: [run.run] });
  return (
    <Reason
      title="Resume this run?"
      verb="Resume it"
      act={(reason) => operated(run.run, 'resume', reason, false, why.data?.halt)}
      onClose={close}
    >
      <p>
        <Text of={run.agent} /> <code>{run.run}</code> goes on where it is, with what has arrived for it meanwhile.
      </p>
      {why.error !== undefined && <Problem of={why.error} again={why.again} />}
      {why.data === undefined ? (
        why.error === undefined && <p class="dim">Looking why it stands still…</p>
      ) : (
        <>
          <p>
            <Text of={why.data.verdict} />
          </p>
          <Words of={why.data.because} />
        </>
      )}
    </Reason>
  );
}

const ABOUT: Readonly<Record<End, { readonly title: string; readonly done: string; readonly verb: string; readonly text: string }>> = {
  cancel: {
    title: 'Cancel this run?',
    done: 'Told to stop',
    verb: 'Cancel it',
    text: 'The run and its children are told to stop, and are killed if they have not after a grace. It cannot be taken back.',
  },
  kill: {
    title: 'Kill this run?',
    done: 'Killed',
    verb: 'Kill it',
    text: 'The run and its children end at once: their grants are revoked and their calls aborted. A call that has left may still take effect. It cannot be taken back.',
  },
};

function Ending({ run, verb }: { readonly run: Subject; readonly verb: End }) {
  const preview = useLoad(() => operated(run.run, verb, 'a look at what it would reach', true), { of: [run.run, verb] });
  const [done, setDone] = useState<{ readonly result: Result; readonly shown: Reach | undefined }>();
  const about = ABOUT[verb];
  if (done !== undefined)
    return (
      <Dialog title={about.done} onClose={close}>
        <p>
          <Text of={run.agent} />
        </p>
        <Receipts of={done.result} shown={done.shown} />
        <CloseButton />
      </Dialog>
    );
  const reach = preview.data?.reach;
  return (
    <Dialog title={about.title} onClose={close}>
      <p>{about.text}</p>
      <dl class="facts">
        <Fact name="Run">
          <Text of={run.agent} /> <code>{run.run}</code>
        </Fact>
        {reach !== undefined && <Reached of={reach} />}
      </dl>
      {preview.error !== undefined && <Problem of={preview.error} again={preview.again} />}
      {reach === undefined && preview.error === undefined && (
        <p class="dim" role="status">
          Looking what it would reach…
        </p>
      )}
      <Confirm run={run} verb={verb} reach={reach} isUnknown={preview.error !== undefined} onDone={setDone} />
    </Dialog>
  );
}

/** It has the focus, since the field that had it is gone. */
function CloseButton() {
  const self = useRef<HTMLButtonElement>(null);
  useEffect(() => self.current?.focus(), []);
  return (
    <button type="button" class="primary" ref={self} onClick={close}>
      Close
    </button>
  );
}

interface ConfirmProps {
  readonly run: Subject;
  readonly verb: End;
  /** Shown to the person; before it is there, there is nothing to confirm. */
  readonly reach: Reach | undefined;
  /** The host cannot say what it would reach, which the dialog says. A busy host must not keep anybody from stopping a run. */
  readonly isUnknown: boolean;
  readonly onDone: (done: { readonly result: Result; readonly shown: Reach | undefined }) => void;
}

function Confirm({ run, verb, reach, isUnknown, onDone }: ConfirmProps) {
  return (
    <ReasonForm
      acts={[
        {
          verb: ABOUT[verb].verb,
          act: async (reason) => onDone({ result: await operated(run.run, verb, reason), shown: reach }),
        },
      ]}
      typed={{ label: 'Type the last four characters of the run', wanted: run.run.slice(-4), name: 'The four characters' }}
      lacks={reach === undefined && !isUnknown ? 'What it reaches is not known yet.' : ''}
      onBack={close}
    />
  );
}
