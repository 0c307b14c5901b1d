/**
 * Calls that differ in the values of their arguments alone, decided about together. All of their arguments are shown before, each is approved as
 * it was shown, and each has a result of its own.
 */
import { useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useAttempt } from '../data/attempt.ts';
import { many } from '../format.ts';
import { originsOf } from '../ui/decision.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Problem } from '../ui/parts.tsx';
import { Proof } from '../ui/reason.tsx';
import { Brief, Code, Text } from '../ui/text.tsx';

type Approval = RouteAnswer<'listApprovals'>['items'][number];
type Result = RouteAnswer<'settleMany'>;

interface GroupsProps {
  readonly of: readonly Approval[];
  readonly done: () => void;
}

/** The host decides at most this many at once. */
const MOST = 200;

export function Groups({ of, done }: GroupsProps) {
  const [open, setOpen] = useState<readonly Approval[]>();
  const groups = [...Map.groupBy(of, ({ shape }) => shape).values()].filter((all) => all.length > 1);
  return (
    <>
      {groups.length > 0 && (
        <ul class="groups" aria-label="Calls that are alike">
          {groups.map((all) => (
            <Group of={all} key={all[0]?.shape} onOpen={() => setOpen(all.slice(0, MOST))} />
          ))}
        </ul>
      )}
      {open !== undefined && (
        <Together
          of={open}
          onClose={() => {
            setOpen(undefined);
            done();
          }}
        />
      )}
    </>
  );
}

function Group({ of: [first, ...rest], onOpen }: { readonly of: readonly Approval[]; readonly onOpen: () => void }) {
  if (first === undefined) return null;
  return (
    <li class="row">
      <span>
        {many(rest.length + 1, 'call')} of <Text of={first.agent} /> to <Text of={first.tool} /> are alike but for their values
        {first.such.decided > 0 && `; you approved ${first.such.approved} of ${first.such.decided} such`}
      </span>
      <button type="button" onClick={onOpen}>
        Decide together…
      </button>
    </li>
  );
}

function Together({ of, onClose }: { readonly of: readonly Approval[]; readonly onClose: () => void }) {
  const [first] = of;
  const [reason, setReason] = useState('');
  const [token, setToken] = useState('');
  const needsProof = of.some(({ needs_proof }) => needs_proof);
  const { attempt, busy, error } = useAttempt();
  const [result, setResult] = useState<Result>();
  if (first === undefined) return null;
  const act = (verdict: 'approve' | 'deny') =>
    void attempt(async () => {
      const only = of.map(({ run, call, version }) => ({ run, call, version }));
      const where = { tenant: first.tenant, agent: first.agent };
      setResult(
        await request('settleMany', {
          body: {
            act: verdict,
            where,
            tool: first.tool,
            shape: first.shape,
            only,
            reason: reason.trim(),
            ...(verdict === 'deny' || token === '' ? {} : { proof: token.trim() }),
          },
        }),
      );
    });
  if (result !== undefined) return <Results of={result} onClose={onClose} />;
  return (
    <Dialog title={`${many(of.length, 'call')} to ${first.tool}`} onClose={onClose}>
      <Listed of={of} />
      <form onSubmit={(event) => event.preventDefault()}>
        <label for="together">Reason, for the record</label>
        <input id="together" value={reason} maxLength={500} autofocus onInput={(event) => setReason(event.currentTarget.value)} />
        {needsProof && <Proof why="a large one is among them" token={token} set={setToken} />}
        {error !== undefined && <Problem of={error} />}
        <div class="row">
          <button type="button" class="good" disabled={busy || reason.trim() === ''} onClick={() => act('approve')}>
            Approve these {of.length}
          </button>
          <button type="button" class="danger" disabled={busy || reason.trim() === ''} onClick={() => act('deny')}>
            Deny these {of.length}
          </button>
          <button type="button" onClick={onClose}>
            Back
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Listed({ of }: { readonly of: readonly Approval[] }) {
  const names = [...new Set(of.flatMap(({ input }) => (typeof input === 'object' && input !== null ? Object.keys(input) : [])))];
  return (
    <div class="scrolls" tabIndex={0} role="group" aria-label="All of their arguments">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            {names.map((name) => (
              <th scope="col" key={name}>
                <Text of={name} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={`${one.run} ${one.call}`}>
              <td>
                <a href={`${href('approvals')}?run=${one.run}`}>{one.run.slice(-6)}</a>
              </td>
              {names.map((name) => (
                <td key={name} class={isStranger(one, name) ? 'stranger' : ''}>
                  <Brief of={one.withheld === undefined ? ((one.input as Record<string, unknown>)[name] ?? '') : 'withheld'} chars={400} />
                  {isStranger(one, name) && <small> from a stranger’s text</small>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const isStranger = ({ origins }: Approval, name: string): boolean => originsOf(name, origins).some(({ origin }) => origin === 'untrusted');

/** What became of each. */
function Results({ of: { act, done, refused }, onClose }: { readonly of: Result; readonly onClose: () => void }) {
  return (
    <Dialog title={`${done.length} ${act === 'approve' ? 'approved' : 'denied'}, ${refused.length} not`} onClose={onClose}>
      <ul class="plain">
        {done.map(({ run, call }) => (
          <li key={`${run} ${call}`}>
            <a href={href('run', run)}>{run}</a>, call {call}: {act === 'approve' ? 'approved' : 'denied'}
          </li>
        ))}
        {refused.map(({ run, call, code, detail }) => (
          <li key={`${run} ${call}`}>
            <a href={href('run', run)}>{run}</a>, call {call}: <Code of={code} /> <Text of={detail} />
          </li>
        ))}
      </ul>
      <button type="button" class="primary" onClick={onClose}>
        Close
      </button>
    </Dialog>
  );
}
