/**
 * Acts on many runs: those that a person has picked, or all that match the filter. What it would reach is shown first. A stop takes what matches when
 * it is done, and says what of it was not shown before; a resumption is refused if other runs match by then.
 */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { RouteInput } from '@corral/protocol/api/routes';
import { ask } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { count, many, tail } from '../format.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Fact, Problem } from '../ui/parts.tsx';
import { ReasonForm } from '../ui/reason.tsx';
import { Fates, Reached, type Result } from '../ui/receipts.tsx';
import { Text } from '../ui/text.tsx';

export type BulkVerb = 'pause' | 'resume' | 'cancel' | 'kill' | 'revoke';
export type BulkTarget = RouteInput<'operate'>['body']['target'];

const ABOUT: Readonly<Record<BulkVerb, { readonly title: string; readonly verb: string; readonly done: string; readonly text: string }>> = {
  pause: { title: 'Pause these runs?', verb: 'Pause them', done: 'Paused', text: 'They stand still until somebody resumes them.' },
  resume: {
    title: 'Resume these runs?',
    verb: 'Resume them',
    done: 'Resumed',
    text: 'They go on where they are. If other runs match by then, none is resumed, and you are asked to look again.',
  },
  cancel: {
    title: 'Cancel these runs?',
    verb: 'Cancel them',
    done: 'Told to stop',
    text: 'They and their children are told to stop, and are killed if they have not after a grace. It cannot be taken back.',
  },
  kill: {
    title: 'Kill these runs?',
    verb: 'Kill them',
    done: 'Killed',
    text: 'They and their children end at once: their grants are revoked and their calls aborted. A call that has left may still take effect. It cannot be taken back.',
  },
  revoke: {
    title: 'Take this tool back?',
    verb: 'Take it back',
    done: 'Taken back',
    text: 'Their grants for it, and all that was derived from these, stop working at once. Calls under way with it are aborted unless the tool has answered, and their results are withheld. It cannot be given back to these runs.',
  },
};
/** Runs that one list names; the rest is counted. */
const NAMED = 100;

/** From whom a tool is taken, in words that both the question and the receipt have. */
export interface Taking {
  readonly tool: string;
  /** `shop/payer`, `all agents of lab`, `the run …4k2p9x`. */
  readonly from: string;
  /** What the act does not stop, with the way to stop that. */
  readonly after: ComponentChildren;
}

interface BulkProps {
  readonly verb: BulkVerb;
  /** With `revoke`: what is taken from whom. */
  readonly taking?: Taking | undefined;
  readonly target: BulkTarget;
  readonly onClose: () => void;
}

/** The part of a request that names the tool. */
const ofTool = (tool: string | undefined) => (tool === undefined ? {} : { tool: tool as never });

export function Bulk({ verb, taking, target, onClose }: BulkProps) {
  const tool = taking?.tool;
  const reason = 'a look at what it would reach';
  const preview = useLoad(
    (signal) => ask('operate', { body: { operation: verb, target, reason, dryRun: true, ...ofTool(tool) } }, signal),
    {
      of: [verb, target, tool],
    },
  );
  const [done, setDone] = useState<Result>();
  const about = ABOUT[verb];
  if (done !== undefined)
    return (
      <Dialog
        title={taking === undefined ? about.done : `Taken back: ${taking.tool} ${takenText(taking, done.receipts)}`}
        onClose={onClose}
      >
        <Results of={done} />
        {taking !== undefined && <p>{taking.after}</p>}
        <div class="row">
          <button type="button" class="primary" autofocus onClick={onClose}>
            Close
          </button>
        </div>
      </Dialog>
    );
  const shown = preview.data;
  return (
    <Dialog title={taking === undefined ? about.title : `Take ${taking.tool} back ${takenText(taking, shown?.matched)}?`} onClose={onClose}>
      <p>{about.text}</p>
      {taking !== undefined && <p>{taking.after}</p>}
      {preview.error !== undefined && <Problem of={preview.error} again={preview.again} />}
      {shown === undefined && preview.error === undefined && (
        <p class="dim" role="status">
          Looking what it would reach…
        </p>
      )}
      {shown !== undefined && (
        <>
          <dl class="facts">
            <Fact name="Runs">{count(shown.matched.length)}</Fact>
            {shown.reach !== undefined && <Reached of={shown.reach} />}
          </dl>
          <Runs title="Runs" of={shown.matched} />
          <Refused of={shown} title="Not these" />
        </>
      )}
      <Confirm
        verb={verb}
        target={target}
        taking={taking}
        shown={shown}
        isUnknown={preview.error !== undefined}
        look={preview.again}
        onDone={setDone}
        onClose={onClose}
      />
    </Dialog>
  );
}

interface ConfirmProps extends BulkProps {
  readonly shown: Result | undefined;
  /** The host cannot say what it would reach, which must not keep anybody from stopping runs. */
  readonly isUnknown: boolean;
  readonly look: () => void;
  readonly onDone: (result: Result) => void;
}

function Confirm({ verb, taking, target, shown, isUnknown, look, onDone, onClose }: ConfirmProps) {
  const ends = verb === 'kill' || verb === 'cancel' || (verb === 'revoke' && (shown?.matched.length ?? 0) > 1);
  // What lets runs go on, or takes a tool from them, reaches nothing that was not shown.
  const isBound = verb === 'resume' || verb === 'revoke';
  const isSeen = shown === undefined ? isUnknown && !isBound : shown.matched.length > 0;
  const typed =
    shown === undefined
      ? { label: 'Type the word', wanted: verb, name: 'The letters' }
      : { label: 'Type how many runs', wanted: String(shown.matched.length), name: 'The digits' };
  const preview = shown?.preview === undefined ? {} : { preview: shown.preview };
  return (
    <ReasonForm
      acts={[
        {
          verb: ABOUT[verb].verb,
          act: async (reason) =>
            onDone(await ask('operate', { body: { operation: verb, target, reason, ...preview, ...ofTool(taking?.tool) } })),
        },
      ]}
      typed={ends && isSeen ? typed : undefined}
      lacks={isSeen ? '' : shown === undefined ? 'What it reaches is not known yet.' : 'It reaches no run.'}
      again={look}
      onBack={onClose}
    />
  );
}

/** `from shop/payer (2 runs)`. @param runs undefined: not known yet */
const takenText = ({ from }: Taking, runs: readonly unknown[] | undefined): string =>
  `from ${from}${runs === undefined ? '' : ` (${many(runs.length, 'run')})`}`;

function Results({ of }: { readonly of: Result }) {
  const { operation, receipts, refused, beyond } = of;
  const later = operation === 'revoke' ? 'Got it meanwhile, and keep it' : 'Began after the look';
  const fates = receipts.flatMap(({ run, calls = [] }) => calls.map((one) => ({ ...one, run: run as never })));
  return (
    <>
      <dl class="facts">
        <Fact name="Done">{count(receipts.length)}</Fact>
        <Fact name="Not done">{count(refused.length)}</Fact>
        <Fact name={later}>{beyond === undefined || beyond === null ? 'not known' : count(beyond.length)}</Fact>
      </dl>
      {fates.length > 0 && <Fates of={fates} />}
      <Runs title="Done" of={receipts.map(({ run }) => run)} />
      <Refused of={of} title="Not done" />
      {beyond !== undefined && beyond !== null && <Runs title={later} of={beyond} />}
    </>
  );
}

function Runs({ title, of }: { readonly title: string; readonly of: readonly string[] }) {
  if (of.length === 0) return null;
  return (
    <details>
      <summary>
        {title}: {many(of.length, 'run')}
      </summary>
      <p>
        {of.slice(0, NAMED).map((run) => (
          <span key={run}>
            <a href={href('run', run)} title={run}>
              <code>{tail(run)}</code>
            </a>{' '}
          </span>
        ))}
        {of.length > NAMED && `and ${count(of.length - NAMED)} more, which the record of operations names`}
      </p>
    </details>
  );
}

function Refused({ of: { refused }, title }: { readonly of: Result; readonly title: string }) {
  if (refused.length === 0) return null;
  return (
    <details open>
      <summary>
        {title}: {many(refused.length, 'run')}
      </summary>
      <ul class="plain">
        {refused.slice(0, NAMED).map(({ run, code, detail }) => (
          <li key={run}>
            <a href={href('run', run)} title={run}>
              <code>{tail(run)}</code>
            </a>{' '}
            <Text of={detail} /> <code>{code}</code>
          </li>
        ))}
        {refused.length > NAMED && <li>and {count(refused.length - NAMED)} more, which the record of operations names</li>}
      </ul>
    </details>
  );
}
