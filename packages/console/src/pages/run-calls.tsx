/** The calls of a run, each with what it was given, what came of it, and why it was decided so. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask as request } from '../data/api.ts';
import { ask as alter, query } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { pagesOf } from '../data/pages.ts';
import { duration, money } from '../format.ts';
import { useKeys } from '../keys.ts';
import { DecisionCard } from '../ui/decision.tsx';
import { Badge, Empty, Fact, Loading, Moment, Problem, type Tone } from '../ui/parts.tsx';
import { Brief, Code, Text, Value, ValueOr } from '../ui/text.tsx';
import { ToolName } from '../ui/tool-name.tsx';
import type { CallProps, TabProps } from './run-props.ts';
import { Settling } from './run-resolve.tsx';

type Call = CallProps['of'];
const TONES: Readonly<Record<Call['state'], Tone>> = {
  open: 'busy',
  done: 'good',
  answered: 'asks',
  failed: 'bad',
  denied: 'bad',
  unknown: 'asks',
  abandoned: 'calm',
};
const SAID: Readonly<Record<Call['state'], string>> = {
  open: 'under way',
  done: 'done',
  answered: 'done, agent not told',
  failed: 'failed',
  denied: 'refused',
  unknown: 'result unknown',
  abandoned: 'given up',
};
const PAGE = 200;

export function CallsTab({ run }: TabProps) {
  const [pages, setPages] = useState(1);
  const [only, setOnly] = useState(false);
  const {
    data: shown,
    error,
    again,
  } = useLoad(
    (signal) => pagesOf(pages, (at) => request('runCalls', { params: { run: run.run }, query: { limit: PAGE, ...at } }, signal)),
    { of: [run.run], at: [pages, run.journal_entries, run.open_calls] },
  );
  const calls = (shown?.items ?? []).filter(({ state }) => !only || (state !== 'done' && state !== 'open'));
  const open = Number(query.value.get('call') ?? Number.NaN);
  const at = calls.findIndex(({ call }) => call === open);
  const move = (by: number) => {
    const next = calls[Math.min(calls.length - 1, Math.max(0, at + by))];
    if (next !== undefined) alter({ call: String(next.call) });
  };
  useKeys([
    { key: 'j', does: 'next call', run: () => move(1), repeats: true },
    { key: 'k', does: 'call before', run: () => move(-1), repeats: true },
    { key: 'f', does: 'only what was refused or failed', run: () => setOnly(!only) },
  ]);
  if (shown === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  if (shown.items.length === 0) return <Empty>It has made no calls.</Empty>;
  return (
    <>
      {error !== undefined && <Problem of={error} again={again} />}
      <label class="check">
        <input type="checkbox" checked={only} onChange={() => setOnly(!only)} /> only what was refused, failed or is unknown
      </label>
      {calls.length === 0 && <Empty>Of the {shown.items.length} calls that were read, none was.</Empty>}
      <ol class="cards">
        {alike(calls).map((same) => (
          <Same key={same[0]?.call} of={same} run={run} open={open} again={again} />
        ))}
      </ol>
      {shown.more && (
        <button type="button" onClick={() => setPages(pages + 1)}>
          More calls
        </button>
      )}
    </>
  );
}

/** Calls in a row that differ in nothing a reader of the list sees: a run that loops makes hundreds of them. */
function alike(calls: readonly Call[]): (readonly Call[])[] {
  const groups: { readonly key: string; readonly calls: Call[] }[] = [];
  for (const call of calls) {
    const { tool, state, acted, input, error } = call;
    const key = JSON.stringify([tool, state, acted, input, error?.code]);
    const last = groups.at(-1);
    if (last?.key === key) last.calls.push(call);
    else groups.push({ key, calls: [call] });
  }
  return groups.map(({ calls: same }) => same);
}

/** Fewer are shown one by one. */
const ALIKE = 4;

interface SameProps extends TabProps {
  readonly of: readonly Call[];
  readonly open: number;
  readonly again: () => void;
}

function Same({ of, run, open, again }: SameProps) {
  const [isAll, setAll] = useState(false);
  const [first] = of;
  const shown = isAll || of.length < ALIKE || of.some(({ call }) => call === open) ? of : of.slice(0, 1);
  return (
    <>
      {shown.map((call) => (
        <CallCard key={call.call} of={call} run={run} isOpen={call.call === open} again={again} />
      ))}
      {first !== undefined && shown.length < of.length && (
        <li>
          <button type="button" class="quiet" onClick={() => setAll(true)}>
            {of.length} × the same, calls {first.call} to {of.at(-1)?.call}: show all
          </button>
        </li>
      )}
    </>
  );
}

function CallCard({ of, run, isOpen, again }: CallProps & { readonly isOpen: boolean }) {
  const self = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isOpen) self.current?.scrollIntoView({ block: 'nearest' });
  }, [isOpen]);
  const turn = () => alter({ call: isOpen ? undefined : String(of.call) });
  return (
    <li class="card" ref={self}>
      <button type="button" class="card-head" aria-expanded={isOpen} onClick={turn}>
        <span class="num">{of.call}</span> <Badge tone={TONES[of.state]}>{SAID[of.state]}</Badge>{' '}
        {mayHave(of) && <Badge tone="asks">may have been done</Badge>}{' '}
        <strong>
          <Text of={of.tool} />
        </strong>{' '}
        <span class="brief">{of.withheld === undefined ? <Brief of={of.input} /> : 'withheld'}</span>
        <span class="why-link">{of.state === 'denied' && !isOpen ? 'why?' : ''}</span>
      </button>
      {isOpen && <CallDetail of={of} run={run} again={again} />}
    </li>
  );
}

/** The state `unknown` says so itself. */
const mayHave = ({ acted, state }: Call): boolean => acted === 'unknown' && state !== 'unknown';

/** What the tool did, where its agent was told something else. */
function Fate({ of }: { readonly of: Call }) {
  if (of.state === 'answered')
    return (
      <p class="lead">
        The tool answered: this was done.{' '}
        {of.error === null ? 'The agent has not been given the answer yet.' : 'The answer was withheld from the agent.'}
      </p>
    );
  return mayHave(of) ? (
    <p class="lead">The tool was stopped while it was at work: this may have been done. Look before it is done again.</p>
  ) : null;
}

function CallDetail({ of, run, again }: CallProps) {
  const { data: why, error } = useLoad((signal) => request('whyRun', { params: { run: run.run } }, signal), {
    of: [run.run],
    at: [run.journal_entries],
  });
  const decisions = why?.decisions.filter(({ call, action }) => call === of.call && action !== 'output') ?? [];
  return (
    <div class="card-body">
      <Settling run={run} of={of} again={again} />
      <Fate of={of} />
      {of.error !== null && (
        <p class="lead">
          {of.state === 'answered' && 'Its agent is told: '}
          <Code of={of.error.code} /> <Text of={of.error.message} />
        </p>
      )}
      {decisions.map((decision) => (
        <DecisionCard of={decision} key={decision.action} />
      ))}
      {error !== undefined && <Problem of={error} />}
      {why !== undefined && decisions.length === 0 && (
        <p class="dim">Its grant allowed it, or its decision is older than the fifty that are explained here.</p>
      )}
      <h3 class="small">What it was given</h3>
      <ValueOr of={of.input} withheld={of.withheld} />
      {(of.state === 'done' || of.state === 'answered') && of.withheld === undefined && (
        <>
          <h3 class="small">What came back</h3>
          <Value of={of.result} />
        </>
      )}
      {of.error?.detail !== null && of.error?.detail !== undefined && (
        <>
          <h3 class="small">What the tool threw (the agent does not see it)</h3>
          <Value of={of.error.detail} />
        </>
      )}
      <dl class="facts">
        <Fact name="Tool">
          <ToolName of={of.tool} tenant={run.tenant} />
        </Fact>
        <Fact name="Asked">
          <Moment at={of.asked_at} />
        </Fact>
        {of.answered_at !== null && <Fact name="Took">{duration(of.answered_at - of.asked_at)}</Fact>}
        {of.reason !== null && (
          <Fact name="The agent’s reason">
            <Text of={of.reason} />
          </Fact>
        )}
        {of.grant !== null && (
          <Fact name="Grant">
            <code>{of.grant}</code>
          </Fact>
        )}
        {of.cost.money_micros > 0 && <Fact name="Cost">{money(of.cost.money_micros)}</Fact>}
      </dl>
    </div>
  );
}
