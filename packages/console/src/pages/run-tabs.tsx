/** Parts of a run that are read as a whole: its summary, why it is as it is, its children, its messages. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { shortDigest } from '../format.ts';
import { DecisionCard, Words } from '../ui/decision.tsx';
import { Empty, Fact, Loading, Moment, Problem, State } from '../ui/parts.tsx';
import { Text, Value } from '../ui/text.tsx';
import type { TabProps } from './run-props.ts';

type WhyAnswer = RouteAnswer<'whyRun'>;

/** The state is part of the key: what a run waits for changes its explanation. */
const useWhy = ({ run }: TabProps) =>
  useLoad(
    (signal) => request('whyRun', { params: { run: run.run } }, signal),
    [run.run, run.journal_entries, run.control, run.lifecycle, run.waiting],
  );

export function SummaryTab({ run }: TabProps) {
  const { data: why, error } = useWhy({ run });
  return (
    <div class="columns">
      <div>
        {why === undefined ? error === undefined ? <Loading /> : <Problem of={error} /> : <Verdict of={why} run={run} />}
        <h3>What it was asked</h3>
        {run.input === null ? <Empty>Your roles do not show this.</Empty> : <Value of={run.input} />}
        {run.outcome !== null && (
          <>
            <h3>How it ended</h3>
            <Value of={run.outcome.kind === 'completed' ? run.outcome.output : run.outcome} />
          </>
        )}
      </div>
      <Details run={run} />
    </div>
  );
}

function Details({ run }: TabProps) {
  return (
    <aside aria-label="Details">
      <h3>Details</h3>
      <dl class="facts stacked">
        <Fact name="Version">
          <code title={run.version}>{shortDigest(run.version)}</code>
        </Fact>
        <Fact name="Configuration">
          <code title={run.config}>{shortDigest(run.config)}</code>
        </Fact>
        <Fact name="Is">{run.residency === 'resident' ? 'in memory' : 'in the store alone'}</Fact>
        <Fact name="Journal">{run.journal_entries} entries</Fact>
        {run.origin !== null && (
          <Fact name="Forked from">
            <a href={href('run', run.origin.run)}>{run.origin.run}</a>, entry {run.origin.at}
          </Fact>
        )}
        {run.caps.map(({ alias, grant }) => (
          <Fact name={alias === '' ? 'Its mailbox' : `Holds ${alias}`} key={`${alias} ${grant}`}>
            <code>{grant}</code>
          </Fact>
        ))}
        {Object.entries(run.budget).map(([name, amount]) => (
          <Fact name={`Budget ${name}`} key={name}>
            {amount.toLocaleString('en')}
          </Fact>
        ))}
      </dl>
    </aside>
  );
}

function Verdict({ of, run }: { readonly of: WhyAnswer } & TabProps) {
  const refused = of.decisions.filter(({ verdict }) => verdict === 'deny');
  const asked = of.decisions.filter(({ verdict, people }) => verdict === 'ask' && people.length === 0);
  return (
    <div class="verdict">
      <p class="lead">
        <Text of={of.verdict} />
      </p>
      <Words of={of.because} />
      {refused.length > 0 && (
        <>
          <h3>Refused</h3>
          <ul class="plain">
            {refused.map(({ call, tool, rules, code, action }) => (
              <li key={`${call} ${action}`}>
                <a href={`${href('run', run.run, 'calls')}?call=${call}`}>
                  Call {call} to <Text of={tool} />
                </a>
                : {rules.length === 0 ? (code ?? 'its grant') : rules.join(', ')}
              </li>
            ))}
          </ul>
        </>
      )}
      {asked.length > 0 && run.ended_as === null && (
        <p>
          <a href={`${href('approvals')}?run=${run.run}`}>
            {asked.length === 1 ? 'A call waits' : `${asked.length} calls wait`} for a person
          </a>
        </p>
      )}
      {of.next.length > 0 && (
        <>
          <h3>What can be done</h3>
          <Words of={of.next} />
        </>
      )}
    </div>
  );
}

export function WhyTab({ run }: TabProps) {
  const { data, error, again } = useWhy({ run });
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  return (
    <>
      <Verdict of={data} run={run} />
      <h3>Decisions, the latest last</h3>
      {data.decisions.length === 0 && <Empty>No policy has decided anything about it yet.</Empty>}
      {data.decisions.map((decision) => (
        <DecisionCard of={decision} key={`${decision.call} ${decision.action}`} />
      ))}
    </>
  );
}

type Tree = RouteAnswer<'runTree'>;

export function TreeTab({ run }: TabProps) {
  const { data, error, again } = useLoad(
    (signal) => request('runTree', { params: { run: run.run } }, signal),
    [run.run],
    (changed, kinds) => changed === undefined || kinds.has('run.admitted') || kinds.has('run.ended') || kinds.has('run.paused'),
  );
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  return (
    <>
      <ul class="tree">
        <Branch of={data} self={run.run} />
      </ul>
      {data.children.length === 0 && <Empty>It has no children.</Empty>}
    </>
  );
}

function Branch({ of, self }: { readonly of: Tree; readonly self: string }) {
  return (
    <li>
      <State of={of} />{' '}
      {of.run === self ? (
        <strong>
          <Text of={of.agent} />
        </strong>
      ) : (
        <a href={href('run', of.run)}>
          <Text of={of.agent} />
        </a>
      )}{' '}
      <code class="dim">{of.run}</code>
      {of.children.length > 0 && (
        <ul>
          {of.children.map((child) => (
            <Branch of={child} self={self} key={child.run} />
          ))}
        </ul>
      )}
    </li>
  );
}

export function MessagesTab({ run }: TabProps) {
  const { data, error, again } = useLoad(
    (signal) => request('runMessages', { params: { run: run.run }, query: { limit: 200 } }, signal),
    [run.run, run.journal_entries],
  );
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  if (data.items.length === 0) return <Empty>It has sent and received no messages.</Empty>;
  return (
    <>
      <ol class="cards">
        {data.items.map(({ direction, at, with: other, body, seq }, index) => (
          <li key={index} class={`card message ${direction}`}>
            <p class="dim">
              {direction === 'in' ? 'from ' : 'to '}
              {other.startsWith('run_') ? <a href={href('run', other)}>{other}</a> : <Text of={other} />} · <Moment at={at} /> ·{' '}
              <a href={`${href('run', run.run, 'journal')}?entry=${seq}`}>entry {seq}</a>
            </p>
            <Value of={body} />
          </li>
        ))}
      </ol>
      {data.next !== null && <Empty>These are the first 200: corral messages {run.run} has all.</Empty>}
    </>
  );
}
