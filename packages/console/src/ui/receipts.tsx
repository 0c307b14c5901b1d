/** The reach of a stop verb before it is used, and its receipt afterwards: both as the host counted them. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { href } from '../data/address.ts';
import { callHref } from '../data/run-parts.ts';
import { count, many, moment } from '../format.ts';
import { Fact } from './parts.tsx';
import { Code, Text } from './text.tsx';

export type Result = RouteAnswer<'operate'>;
type Receipt = Result['receipts'][number];
/** All that is below a run counts: its children and theirs, and the calls of all of them. */
export type Reach = NonNullable<Result['reach']>;

export function Reached({ of: { children, calls, other_calls } }: { readonly of: Reach }) {
  return (
    <>
      <Fact name="Children under way">{count(children)}</Fact>
      <Fact name="Calls under way">
        {calls.length === 0 && other_calls === 0 ? 'none' : null}
        {calls.map(({ tool, count: times }, index) => (
          <span key={tool}>
            {index > 0 && ', '}
            {count(times)} to <Text of={tool} />
          </span>
        ))}
        {other_calls > 0 && `${calls.length > 0 ? ', ' : ''}${count(other_calls)} to other tools`}
      </Fact>
    </>
  );
}

/** The receipts of an act, measured by the host. @param shown the reach that its preview had said: anything beyond that is named */
export function Receipts({
  of: { receipts, refused },
  shown,
}: {
  readonly of: Pick<Result, 'receipts' | 'refused'>;
  readonly shown?: Reach | undefined;
}) {
  return (
    <>
      {receipts.map((receipt) => (
        <Done key={receipt.run} of={receipt} />
      ))}
      {shown !== undefined && receipts.length > 0 && <Beyond shown={shown} of={receipts} />}
      {refused.map(({ run, code, detail }) => (
        <p class="problem" key={run}>
          <code>{run}</code> <Text of={detail} /> <code>{code}</code>
        </p>
      ))}
    </>
  );
}

function Done({ of: receipt }: { readonly of: Receipt }) {
  const below = familyOf(receipt).length - 1;
  const fenced = familyOf(receipt).flatMap(({ run, fenced: by }) => (by === undefined ? [] : [{ run, ...by }]));
  const missed = familyOf(receipt).flatMap(({ not_reached }) => not_reached ?? []);
  return (
    <>
      <dl class="facts">
        <Fact name="Run">
          <a href={href('run', receipt.run)}>
            <code>{receipt.run}</code>
          </a>
        </Fact>
        <Fact name="Took">{receipt.latency_ms.toFixed(1)} ms</Fact>
        <Fact name="Grants revoked">{count(sumOf(receipt, (one) => one.grants_revoked))}</Fact>
        <Fact name="Calls aborted">{count(sumOf(receipt, (one) => one.calls_aborted))}</Fact>
        <Fact name="Calls of unknown result">{count(sumOf(receipt, (one) => one.calls_unknown.length))}</Fact>
        <Fact name="With it">{many(below, 'child', 'children')}</Fact>
      </dl>
      {fenced.map(({ run, node, until }) => (
        <p key={run}>
          <code>{run}</code> was held by the node <Code of={node} />, which can write nothing for it any more
          {until !== undefined && <>; calls that it had written down may still leave it until {moment(until)}</>}.
        </p>
      ))}
      {missed.length > 0 && (
        <p>
          Held by other nodes, so this command did not reach {many(missed.length, 'child', 'children')}, which{' '}
          {missed.length === 1 ? 'ends' : 'end'} with the run:{' '}
          {missed.slice(0, NAMED).map((run) => (
            <span key={run}>
              <code>{run}</code>{' '}
            </span>
          ))}
          {missed.length > NAMED && 'and others'}
        </p>
      )}
    </>
  );
}

/** Children that are named at most. */
const NAMED = 20;

/** More may have begun between the preview and the act, which takes whatever is there then. */
function Beyond({ shown, of }: { readonly shown: Reach; readonly of: readonly Receipt[] }) {
  const family = of.flatMap(familyOf);
  const children = family.length - of.length - shown.children;
  const calls =
    // A call of unknown result was aborted, too; where another host holds the run, only that is in the receipt.
    family.reduce((sum, { calls_aborted, calls_unknown }) => sum + Math.max(calls_aborted, calls_unknown.length), 0) -
    shown.calls.reduce((sum, { count: times }) => sum + times, shown.other_calls);
  const said = [...(children > 0 ? [many(children, 'child', 'children')] : []), ...(calls > 0 ? [many(calls, 'call')] : [])];
  return (
    <p class="dim">
      {said.length === 0 ? 'Nothing else was stopped.' : `It also stopped what began after the look: ${said.join(' and ')}.`}
    </p>
  );
}

const familyOf = (receipt: Receipt): Receipt[] => [receipt, ...receipt.children.flatMap(familyOf)];
const sumOf = (receipt: Receipt, amount: (one: Receipt) => number): number => familyOf(receipt).reduce((sum, one) => sum + amount(one), 0);

/** What became of a call that had no result when its grant was taken back. */
const FATES: Readonly<Record<RouteAnswer<'revokeGrant'>['calls'][number]['fate'], string>> = {
  answered: 'is done: the tool had answered already. The agent is not given the answer.',
  failed: 'had failed already.',
  unmade: 'is not made: nobody had decided about it.',
  aborted: 'was aborted. It may have been done: see the call for what its tool answers.',
  unknown: 'has an unknown result: it may have been done.',
};

export function Fates({ of }: { readonly of: RouteAnswer<'revokeGrant'>['calls'] }) {
  return (
    <ul class="plain">
      {of.map(({ run, call, tool, fate }) => (
        <li key={`${run} ${call}`}>
          <a href={callHref(run, call)}>
            <Text of={tool} /> (call {call})
          </a>{' '}
          {FATES[fate]}
        </li>
      ))}
    </ul>
  );
}
