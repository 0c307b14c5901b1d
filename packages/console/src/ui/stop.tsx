/**
 * Stopping runs. A pause can be taken back, so one key or one touch does it. What cannot be taken back shows first what it would reach, and asks
 * for the last four characters of the run; so no single key, and no key held by accident, ends anything.
 */
import { useEffect, useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask, hasRole, Refusal } from '../data/api.ts';
import { useKeys } from '../keys.ts';
import { Dialog } from './dialog.tsx';
import { Fact, Problem } from './parts.tsx';
import { Text } from './text.tsx';

interface Stopped {
  readonly run: string;
  readonly agent: string;
  readonly control: string;
  readonly ended_as: string | null;
}
type Verb = 'pause' | 'resume' | 'cancel' | 'kill';
type Result = RouteAnswer<'operate'>;
type Receipt = Result['receipts'][number];

const BY_KEY = 'by a key in the console';

const refusalOf = (error: unknown): Refusal => (error instanceof Refusal ? error : new Refusal(0, 'CORRAL_INTERNAL', String(error), ''));

export function StopMenu({ run, done }: { readonly run: Stopped; readonly done: () => void }) {
  const [asks, setAsks] = useState<'cancel' | 'kill'>();
  const [error, setError] = useState<Refusal>();
  const may = hasRole('operator', 'admin');
  const mayCancel = may || hasRole('developer');
  const isPaused = run.control !== 'none';
  const turn = async () => {
    setError(undefined);
    try {
      const body = { operation: isPaused ? 'resume' : 'pause', target: { run: run.run as never }, reason: BY_KEY } as const;
      const { refused } = await ask('operate', { body });
      const [first] = refused;
      if (first !== undefined) setError(new Refusal(409, first.code, first.detail, ''));
    } catch (failure) {
      setError(refusalOf(failure));
    }
    done();
  };
  const isOver = run.ended_as !== null;
  useKeys(
    [
      { key: 'p', does: isPaused ? 'resume the run' : 'pause the run', run: () => void turn() },
      { key: 'K', does: 'kill the run: shows what that reaches first', run: () => setAsks('kill') },
    ],
    !isOver && may,
  );
  if (isOver || !mayCancel) return null;
  return (
    <div class="stop" role="group" aria-label="Stop this run">
      {may && (
        <button type="button" onClick={() => void turn()}>
          {isPaused ? 'Resume' : 'Pause'}
        </button>
      )}
      <button type="button" onClick={() => setAsks('cancel')}>
        Cancel…
      </button>
      {may && (
        <button type="button" class="danger" onClick={() => setAsks('kill')}>
          Kill…
        </button>
      )}
      {error !== undefined && <Problem of={error} />}
      {asks !== undefined && (
        <Ending
          run={run}
          verb={asks}
          onClose={() => {
            setAsks(undefined);
            done();
          }}
        />
      )}
    </div>
  );
}

const WHAT: Readonly<Record<'cancel' | 'kill', string>> = {
  cancel: 'The run and its children are told to stop, and are killed if they have not after a grace. It cannot be taken back.',
  kill: 'The run and its children end at once: their grants are revoked and their calls aborted. A call that has left may still take effect. It cannot be taken back.',
};

/** The question before an end, with what it would reach; and its receipt after it. */
function Ending({ run, verb, onClose }: { readonly run: Stopped; readonly verb: 'cancel' | 'kill'; readonly onClose: () => void }) {
  const [reach, setReach] = useState<Reach>();
  const [receipt, setReceipt] = useState<Result>();
  const [error, setError] = useState<Refusal>();
  const [typed, setTyped] = useState('');
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const last = run.run.slice(-4);
  useEffect(() => {
    previewOf(run.run, verb).then(setReach, (failure: unknown) => setError(refusalOf(failure)));
  }, []);
  const act = async () => {
    setBusy(true);
    setError(undefined);
    try {
      setReceipt(await operated(run.run, verb, reason.trim(), false));
    } catch (failure) {
      setError(refusalOf(failure));
    }
    setBusy(false);
  };
  const title = verb === 'kill' ? 'Kill this run?' : 'Cancel this run?';
  if (receipt !== undefined)
    return (
      <Dialog title={receipt.receipts.length > 0 ? (verb === 'kill' ? 'Killed' : 'Cancelled') : 'Not done'} onClose={onClose}>
        <Receipts of={receipt} />
        <button type="button" class="primary" autofocus onClick={onClose}>
          Close
        </button>
      </Dialog>
    );
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{WHAT[verb]}</p>
      {reach === undefined ? error === undefined && <p class="dim">Looking what it would reach…</p> : <Reached of={reach} run={run} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed === last && reason.trim() !== '' && !busy) void act();
        }}
      >
        <label for="stop-reason">Reason, for the record</label>
        <input id="stop-reason" value={reason} maxLength={500} autofocus onInput={(event) => setReason(event.currentTarget.value)} />
        <label for="stop-typed">
          Type the last four characters of the run: <code>{last}</code>
        </label>
        <input
          id="stop-typed"
          value={typed}
          maxLength={4}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        {error !== undefined && <Problem of={error} />}
        <div class="row">
          <button type="submit" class="danger" disabled={typed !== last || reason.trim() === '' || busy}>
            {busy ? 'Ending it…' : verb === 'kill' ? 'Kill it' : 'Cancel it'}
          </button>
          <button type="button" onClick={onClose}>
            Back
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface Reach {
  readonly children: number;
  readonly calls: readonly { readonly call: number; readonly tool: string }[];
  readonly more: boolean;
}

const operated = (run: string, operation: Verb, reason: string, dryRun: boolean) =>
  ask('operate', { body: { operation, target: { run: run as never }, reason, dryRun } });

/** Asks the host what the act would match, and reads what is under way in it. */
async function previewOf(run: string, verb: Verb): Promise<Reach> {
  const params = { run: run as never };
  const [, tree, shown] = await Promise.all([
    operated(run, verb, 'a look at what it would reach', true),
    ask('runTree', { params }),
    ask('showRun', { params }),
  ]);
  const calls = shown.open_calls === 0 ? undefined : await ask('runCalls', { params, query: { limit: 500 } }).catch(() => undefined);
  const open = (calls?.items ?? []).filter(({ state }) => state === 'open');
  return {
    children: liveBelow(tree.children),
    calls: open.map(({ call, tool }) => ({ call, tool })),
    more: open.length < shown.open_calls,
  };
}

type Tree = RouteAnswer<'runTree'>;
const liveBelow = (children: readonly Tree[]): number =>
  children.reduce((sum, child) => sum + (child.ended_as === null ? 1 : 0) + liveBelow(child.children), 0);

function Reached({ of: { children, calls, more }, run }: { readonly of: Reach; readonly run: Stopped }) {
  return (
    <dl class="facts">
      <Fact name="Run">
        <Text of={run.agent} /> <code>{run.run}</code>
      </Fact>
      <Fact name="Children under way">{children}</Fact>
      <Fact name="Calls under way">
        {calls.length === 0 && !more ? 'none' : calls.map(({ call, tool }) => `${tool} (call ${call})`).join(', ')}
        {more ? ' and others' : ''}
      </Fact>
    </dl>
  );
}

/** What was done, measured by the host. */
export function Receipts({ of: { receipts, refused } }: { readonly of: Pick<Result, 'receipts' | 'refused'> }) {
  return (
    <>
      {receipts.map((receipt) => (
        <dl class="facts" key={receipt.run}>
          <Fact name="Run">
            <code>{receipt.run}</code>
          </Fact>
          <Fact name="Took">{receipt.latency_ms.toFixed(1)} ms</Fact>
          <Fact name="Grants revoked">{sumOf(receipt, (one) => one.grants_revoked)}</Fact>
          <Fact name="Calls aborted">{sumOf(receipt, (one) => one.calls_aborted)}</Fact>
          <Fact name="Calls of unknown result">{sumOf(receipt, (one) => one.calls_unknown.length)}</Fact>
          <Fact name="With it">{below(receipt)} children</Fact>
          {receipt.fenced !== undefined && <Fact name="Fenced">{receipt.fenced.node}</Fact>}
        </dl>
      ))}
      {refused.map(({ run, code, detail }) => (
        <p class="problem" key={run}>
          <code>{run}</code> <Text of={detail} /> <code>{code}</code>
        </p>
      ))}
    </>
  );
}

const sumOf = (receipt: Receipt, amount: (one: Receipt) => number): number =>
  receipt.children.reduce((sum, child) => sum + sumOf(child, amount), amount(receipt));
const below = (receipt: Receipt): number => receipt.children.reduce((sum, child) => sum + 1 + below(child), 0);
