/**
 * Calls that are decided about together: those that match the filter, or that differ in the values of their arguments alone. All of their
 * arguments are shown before, each is decided about as it was shown, and each has a result of its own.
 */
import { useRef, useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { pagesOf } from '../data/pages.ts';
import { fitsRow, VALUE_CHARS } from '../data/together.ts';
import { count, many } from '../format.ts';
import { originsOf } from '../ui/decision.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Folded } from '../ui/folded.tsx';
import { Shown } from '../ui/parts.tsx';
import { Proof, ReasonForm } from '../ui/reason.tsx';
import { Brief, Code, Text } from '../ui/text.tsx';
import { mayDecide, type Where } from '../ui/waiting.tsx';

type Approval = RouteAnswer<'listApprovals'>['items'][number];
type Result = RouteAnswer<'settleMany'>;
type Wanted = Where & { readonly shape?: string };

interface GroupsProps {
  /** What was read of the list. */
  readonly of: readonly Approval[];
  /** What the list was asked for. */
  readonly where: Where;
  readonly done: () => void;
}

/** Pages that are read for a decision, and calls on each: nobody looks at more of them at once. */
const PAGES = 2;
const PAGE = 100;
const mayTogether = (one: Approval): boolean => mayDecide(one) && fitsRow(one);

export function Groups({ of, where, done }: GroupsProps) {
  const [open, setOpen] = useState<Wanted>();
  const own = of.filter(mayTogether);
  const groups = [...Map.groupBy(own, ({ shape }) => shape).entries()].filter(([, all]) => all.length > 1);
  /** The fold stays once it was there, so that the list below does not move. */
  const had = useRef(false);
  had.current ||= own.length > 1;
  return (
    <>
      {had.current && (
        <Folded name="Decide about several at once">
          {own.length > 1 && groups[0]?.[1].length !== own.length && (
            <p class="row">
              <button type="button" onClick={() => setOpen(where)}>
                Decide about all of these…
              </button>
            </p>
          )}
          {groups.length > 0 && (
            <ul class="groups" aria-label="Calls that are alike">
              {groups.map(([shape, all]) => (
                <Group of={all} key={shape} onOpen={() => setOpen({ ...where, shape })} />
              ))}
            </ul>
          )}
        </Folded>
      )}
      {open !== undefined && (
        <Together
          where={open}
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
        {many(rest.length + 1, 'call')} of <Text of={first.agent} /> to <Text of={first.tool} />{' '}
        {rest.every((one) => isSame(one, first)) ? 'are the same' : 'differ only in their values'}
        {first.such.decided > 0 && `; you approved ${first.such.approved} of ${first.such.decided} such`}
      </span>
      <button type="button" onClick={onOpen}>
        Decide together…
      </button>
    </li>
  );
}

const isSame = (a: Approval, b: Approval): boolean => JSON.stringify(a.input) === JSON.stringify(b.input);

/** Reads them all, as they are now, and asks. */
function Together({ where, onClose }: { readonly where: Wanted; readonly onClose: () => void }) {
  const calls = useLoad(
    (signal) => pagesOf(PAGES, (at) => request('listApprovals', { query: { ...where, limit: PAGE, ...at } as never }, signal)),
    { of: [where] },
  );
  const [result, setResult] = useState<Result>();
  if (result !== undefined) return <Results of={result} onClose={onClose} />;
  const own = calls.data?.items.filter(mayTogether) ?? [];
  const tools = [...new Set(own.map(({ tool }) => tool))];
  const title = calls.data === undefined ? 'Calls that wait' : `${many(own.length, 'call')}${tools.length === 1 ? ` to ${tools[0]}` : ''}`;
  return (
    <Dialog title={title} onClose={onClose}>
      <Shown of={calls}>
        {({ items, more }) => (
          <>
            {more && <p>These are the first of them; there are more.</p>}
            {items.length > own.length && (
              <p class="dim">{many(items.length - own.length, 'call')} not among these: to be looked at alone, or not for you to decide.</p>
            )}
            {[...Map.groupBy(own, ({ agent, tool }) => JSON.stringify([agent, tool])).entries()].map(([key, same]) => (
              <Listed key={key} of={same} />
            ))}
          </>
        )}
      </Shown>
      <Deciding of={own} where={where} onDone={setResult} onBack={onClose} />
    </Dialog>
  );
}

interface DecidingProps {
  readonly of: readonly Approval[];
  readonly where: Wanted;
  readonly onDone: (result: Result) => void;
  readonly onBack: () => void;
}

function Deciding({ of, where: { agent, tool, shape }, onDone, onBack }: DecidingProps) {
  const [token, setToken] = useState('');
  const act = (verdict: 'approve' | 'deny') => async (reason: string) => {
    const said = reason === '' ? {} : { reason };
    const runs = [...new Set(of.map(({ run }) => run))];
    const proof = verdict === 'deny' || token.trim() === '' ? {} : { proof: token.trim() };
    const filter = { ...(tool === undefined ? {} : { tool }), ...(shape === undefined ? {} : { shape }) };
    const only = of.map(({ run, call, version }) => ({ run, call, version }));
    const selected = { ...(agent === undefined ? {} : { agent }), runs };
    onDone(await request('settleMany', { body: { act: verdict, where: selected, ...filter, only, ...said, ...proof } }));
  };
  return (
    <ReasonForm
      acts={[
        { verb: `Approve these ${count(of.length)}`, tone: 'good', act: act('approve'), isMute: true },
        { verb: `Deny these ${count(of.length)}`, tone: 'danger', act: act('deny') },
      ]}
      lacks={of.length === 0 ? 'There is none to decide about.' : ''}
      onBack={onBack}
    >
      {of.some(({ needs_proof }) => needs_proof) && <Proof why="a large one is among them" token={token} set={setToken} />}
    </ReasonForm>
  );
}

/** Calls of one agent to one tool, with all of their arguments. */
function Listed({ of }: { readonly of: readonly Approval[] }) {
  const [first] = of;
  const names = [...new Set(of.flatMap(({ input }) => Object.keys(fieldsOf(input))))];
  if (first === undefined) return null;
  return (
    <div class="scrolls" tabIndex={0} role="group" aria-label={`All arguments of ${first.agent} to ${first.tool}`}>
      <table>
        <caption>
          <Text of={first.agent} /> to <Text of={first.tool} />
        </caption>
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
                  <Brief of={fieldsOf(one.input)[name] ?? ''} chars={VALUE_CHARS} />
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

/** Only calls with fields are listed. */
const fieldsOf = (input: Approval['input']) => input as Readonly<Record<string, unknown>>;
const isStranger = ({ origins }: Approval, name: string): boolean => originsOf(name, origins).some(({ origin }) => origin === 'untrusted');

/** What became of each. */
function Results({ of: { act, done, refused }, onClose }: { readonly of: Result; readonly onClose: () => void }) {
  return (
    <Dialog
      title={`${done.length} ${act === 'approve' ? 'approved' : 'denied'}${refused.length === 0 ? '' : `, ${refused.length} not done`}`}
      onClose={onClose}
    >
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
      <div class="row">
        <button type="button" class="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
