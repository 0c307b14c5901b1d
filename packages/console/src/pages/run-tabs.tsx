/** Parts of a run that are read as a whole: its summary, why it is as it is, its children, its messages. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { href, query } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { callHref, readsPayloads } from '../data/run-parts.ts';
import { pagesOf } from '../data/pages.ts';
import { amountOf, shortDigest } from '../format.ts';
import { DecisionCard } from '../ui/decision.tsx';
import { Empty, Fact, Moment, Shown, State, Words } from '../ui/parts.tsx';
import { Rules, Text, Value, ValueOr } from '../ui/text.tsx';
import { withoutCommands } from '../text.ts';
import type { TabProps } from './run-props.ts';

type WhyAnswer = RouteAnswer<'whyRun'>;

/** A change in what a run waits for changes its explanation; the old one stays until the new one is there. */
const useWhy = ({ run }: TabProps) =>
  useLoad((signal) => request('whyRun', { params: { run: run.run } }, signal), {
    of: [run.run],
    at: [run.journal_entries, run.control, run.lifecycle, run.waiting],
  });

export function SummaryTab({ run }: TabProps) {
  const why = useWhy({ run });
  return (
    <div class="columns">
      <div>
        <Shown of={why}>{(data) => <Verdict of={data} run={run} />}</Shown>
        <h3>What it was asked</h3>
        {run.input === null ? (
          <Empty>{run.withheld_payload === undefined ? 'Your roles do not show this.' : 'Withheld, as said above.'}</Empty>
        ) : (
          <Value of={run.input} />
        )}
        {run.outcome !== null && (
          <>
            <h3>How it ended</h3>
            {run.withheld_payload !== undefined ? (
              <Empty>Withheld, as said above.</Empty>
            ) : run.outcome.kind !== 'completed' ? (
              <Value of={run.outcome} />
            ) : readsPayloads() ? (
              <Value of={run.outcome.output} />
            ) : (
              <Empty>It completed. Your roles do not show its output.</Empty>
            )}
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
        {run.caps.map(({ alias, grant, revoked }) => (
          <Fact
            name={alias === '' ? 'Its mailbox' : `${revoked && run.ended_as === null ? 'Held' : 'Holds'} ${alias}`}
            key={`${alias} ${grant}`}
          >
            {revoked && run.ended_as === null ? (
              <>
                <s>
                  <code>{grant}</code>
                </s>{' '}
                taken back
              </>
            ) : (
              <code>{grant}</code>
            )}
          </Fact>
        ))}
        {Object.entries(run.budget).map(([name, given]) => {
          const [word, amount] = amountOf(name, given);
          return (
            <Fact name={`Budget: ${word}`} key={name}>
              {amount}
            </Fact>
          );
        })}
      </dl>
    </aside>
  );
}

const isQuestion = ({ question }: WhyAnswer['decisions'][number]) => question === true;

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
            {refused.map((one) => (
              <li key={`${one.call} ${one.action}`}>
                <a href={callHref(run.run, one.call)}>
                  Call {one.call} to <Text of={one.tool} />
                </a>
                : <Rules of={one} none={one.code ?? 'its grant'} />
              </li>
            ))}
          </ul>
        </>
      )}
      {asked.length > 0 && run.ended_as === null && (
        <p>
          <a href={`${asked.every(isQuestion) ? href('approvals', 'questions') : href('approvals')}?run=${run.run}`}>
            {asked.length === 1 ? (asked.every(isQuestion) ? 'A question waits' : 'A call waits') : `${asked.length} calls wait`} for a
            person
          </a>
        </p>
      )}
      <Next of={of.next} />
    </div>
  );
}

/** The page has buttons for what commands do. */
function Next({ of }: { readonly of: readonly string[] }) {
  const advice = of.map((line) => withoutCommands(line)).filter((line) => line !== '');
  if (advice.length === 0) return null;
  return (
    <>
      <h3>What can be done</h3>
      <Words of={advice} />
    </>
  );
}

/** A decision about the call that the address names is brought into view. */
function Decided({ of, isNamed }: { readonly of: WhyAnswer['decisions'][number]; readonly isNamed: boolean }) {
  const self = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isNamed) self.current?.scrollIntoView({ block: 'nearest' });
  }, [isNamed]);
  return (
    <div ref={self} class={isNamed ? 'named' : ''}>
      <DecisionCard of={of} />
    </div>
  );
}

export function WhyTab({ run }: TabProps) {
  const named = query.value.get('call');
  return (
    <Shown of={useWhy({ run })}>
      {(why) => (
        <>
          <Verdict of={why} run={run} />
          <h3>Decisions, the latest last</h3>
          {why.decisions.length === 0 && <Empty>No policy has decided anything about it yet.</Empty>}
          {why.decisions.map((decision) => (
            <Decided of={decision} isNamed={String(decision.call) === named} key={`${decision.call} ${decision.action}`} />
          ))}
        </>
      )}
    </Shown>
  );
}

type Tree = RouteAnswer<'runTree'>;

/** A family may be large and lively. */
const TREE_EVERY_MS = 2_000;

const idsOf = ({ run, children }: Tree): string[] => [run, ...children.flatMap(idsOf)];

export function TreeTab({ run }: TabProps) {
  const family = useRef<ReadonlySet<string>>(new Set());
  const tree = useLoad((signal) => request('runTree', { params: { run: run.run } }, signal), {
    of: [run.run],
    when: (changed, kinds) => changed === undefined || kinds.has('run.admitted') || [...changed].some((one) => family.current.has(one)),
    every_ms: TREE_EVERY_MS,
  });
  if (tree.data !== undefined) family.current = new Set(idsOf(tree.data));
  return (
    <Shown of={tree}>
      {(data) => (
        <>
          <ul class="tree">
            <Branch of={data} self={run.run} />
          </ul>
          {data.children.length === 0 && <Empty>It has no children.</Empty>}
        </>
      )}
    </Shown>
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

const MESSAGES = 200;

export function MessagesTab({ run }: TabProps) {
  const [pages, setPages] = useState(1);
  const messages = useLoad(
    (signal) => pagesOf(pages, (at) => request('runMessages', { params: { run: run.run }, query: { limit: MESSAGES, ...at } }, signal)),
    { of: [run.run], at: [pages, run.journal_entries] },
  );
  return (
    <Shown of={messages}>
      {({ items, more }) =>
        items.length === 0 ? (
          <Empty>It has sent and received no messages.</Empty>
        ) : (
          <>
            <ol class="cards">
              {items.map((message, index) => (
                <Message of={message} run={run} key={index} />
              ))}
            </ol>
            {more && (
              <button type="button" onClick={() => setPages(pages + 1)}>
                More messages
              </button>
            )}
          </>
        )
      }
    </Shown>
  );
}

type MessageProps = TabProps & { readonly of: RouteAnswer<'runMessages'>['items'][number] };

function Message({ of: { direction, at, with: other, body, seq, withheld }, run }: MessageProps) {
  return (
    <li class={`card message ${direction}`}>
      <p class="dim">
        {direction === 'in' ? 'from ' : 'to '}
        {/^run_[a-z0-9]+$/.test(other) ? <a href={href('run', other)}>{other}</a> : <Text of={other} />} · <Moment at={at} /> ·{' '}
        <a href={`${href('run', run.run, 'journal')}?entry=${seq}`}>entry {seq}</a>
      </p>
      <ValueOr of={body} withheld={withheld} />
    </li>
  );
}
