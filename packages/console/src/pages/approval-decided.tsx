/** What people decided about calls and questions. The filter is part of the address; the counts are over all that match, and not of the page alone. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { RouteAnswer, RouteInput } from '@corral/protocol/api/routes';
import { ask as request } from '../data/api.ts';
import { ask as alter, href, query } from '../data/address.ts';
import { anyOf, useLoad } from '../data/load.ts';
import { callHref } from '../data/run-parts.ts';
import { pagesOf } from '../data/pages.ts';
import { count, duration } from '../format.ts';
import { useKeys } from '../keys.ts';
import { Badge, Empty, Loading, Moment, Problem } from '../ui/parts.tsx';
import { usePart } from '../data/part.ts';
import { Folded } from '../ui/folded.tsx';
import { Text } from '../ui/text.tsx';
import { What } from '../ui/what.tsx';

type Decided = RouteAnswer<'listDecisions'>['items'][number];
type Verdict = Decided['verdict'];
type Query = NonNullable<RouteInput<'listDecisions'>['query']>;
const LIMIT = 50;
const DAY_MS = 86_400_000;

const SAID: Readonly<Record<Verdict, { readonly text: string; readonly tone: 'good' | 'bad' | 'calm' }>> = {
  approve: { text: 'approved', tone: 'good' },
  deny: { text: 'denied', tone: 'bad' },
  answer: { text: 'answered', tone: 'good' },
  decline: { text: 'declined', tone: 'bad' },
  expired: { text: 'expired', tone: 'calm' },
  withdrawn: { text: 'withdrawn', tone: 'calm' },
};
const DAYS = [1, 7, 30] as const;
const CONDITIONS = ['q', 'agent', 'tool', 'by', 'tenant', 'verdict', 'run', 'shape', 'days'] as const;
type Condition = (typeof CONDITIONS)[number];

export function DecidedCalls() {
  const at = query.value;
  const [pages, setPages] = useState(1);
  const { days, ...filter } = Object.fromEntries(CONDITIONS.map((name): [Condition, string] => [name, at.get(name) ?? ''])) as Readonly<
    Record<Condition, string>
  >;
  const { run, shape } = filter;
  const { data, error, again } = useLoad(
    (signal) =>
      pagesOf(pages, (next) => {
        const since = days === '' ? {} : { since: Date.now() - Number(days) * DAY_MS };
        const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''));
        return request(
          'listDecisions',
          { query: { ...(given as Query), ...since, limit: LIMIT, counts: 'true', arguments: 'true', ...next } },
          signal,
        );
      }),
    { of: [days, filter], at: [pages], when: anyOf('run.decided') },
  );
  useKeys([{ key: '/', does: 'write a filter', run: () => document.getElementById('decided-q')?.focus() }]);
  return (
    <>
      <Folded name="Search">
        <Filter of={{ ...filter, days }} />
      </Folded>
      {(run !== '' || shape !== '') && (
        <p>
          Of one {run === '' ? 'shape of calls' : 'run'} alone; <a href={href('approvals', 'decided')}>of all</a>
        </p>
      )}
      {error !== undefined && <Problem of={error} again={again} />}
      {data === undefined ? (
        error === undefined && <Loading />
      ) : (
        <>
          <p class="dim" role="status">
            {countsText(data.pages[0]?.counts ?? {})}
          </p>
          {data.items.length === 0 ? <Empty>Nobody decided anything of this kind.</Empty> : <Rows of={data.items} />}
          {data.more && (
            <button type="button" onClick={() => setPages(pages + 1)}>
              More
            </button>
          )}
        </>
      )}
    </>
  );
}

function Filter({ of }: { readonly of: Readonly<Record<Condition, string>> }) {
  const { soon, look } = usePart('q');
  return (
    <form class="row which" role="search" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
      <label>
        Agent, tool or person
        <input
          id="decided-q"
          type="search"
          placeholder="part of a name"
          spellcheck={false}
          value={of.q}
          maxLength={100}
          onInput={(event) => soon(event.currentTarget.value)}
          onChange={(event) => look(event.currentTarget.value)}
        />
      </label>
      <Choice
        label="By"
        name="by"
        value={of.by}
        of={[
          ['', 'anybody'],
          ['me', 'me'],
        ]}
      />
      <Choice
        label="Verdict"
        name="verdict"
        value={of.verdict}
        of={[['', 'any'], ...Object.entries(SAID).map(([name, { text }]) => [name, text] as const)]}
      />
      <Choice
        label="Time"
        name="days"
        value={of.days}
        of={[['', 'any'], ...DAYS.map((one) => [String(one), one === 1 ? 'the last day' : `the last ${one} days`] as const)]}
      />
    </form>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly name: Condition;
  readonly value: string;
  readonly of: readonly (readonly [value: string, shown: string])[];
}

/** One of a few values of a condition. A value of the address that is none of them is shown as it is. */
function Choice({ label, name, value, of }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => alter({ [name]: event.currentTarget.value })}>
        {of.map(([one, shown]) => (
          <option key={one} value={one}>
            {shown}
          </option>
        ))}
        {!of.some(([one]) => one === value) && <option value={value}>{value}</option>}
      </select>
    </label>
  );
}

const countsText = (counts: Readonly<Partial<Record<Verdict, number>>>): string =>
  (Object.keys(SAID) as Verdict[])
    .flatMap((one) => (counts[one] === undefined ? [] : [`${count(counts[one])} ${SAID[one].text}`]))
    .join(', ');

const tenants = (of: readonly Decided[]): number => new Set(of.map(({ tenant }) => tenant)).size;

/** On a phone each is a card of a few lines, with the name of each cell beside it. */
function Rows({ of }: { readonly of: readonly Decided[] }) {
  const columns: readonly (readonly [string, (one: Decided) => ComponentChildren])[] = [
    ['When', ({ at }) => <Moment at={at} />],
    ['Verdict', ({ verdict }) => <Badge tone={SAID[verdict].tone}>{SAID[verdict].text}</Badge>],
    [
      'What',
      (one) => (
        <>
          <strong>
            <Text of={one.tool} />
          </strong>{' '}
          {one.input === null && one.withheld === undefined ? null : <What of={{ does: null, input: null, ...one }} />}
        </>
      ),
    ],
    ['By', ({ by }) => <Text of={by} />],
    ['Agent', ({ agent }) => <Text of={agent} />],
    ...(tenants(of) > 1 ? [['Tenant', ({ tenant }: Decided) => <Text of={tenant} />] as const] : []),
    ['Waited', ({ waited_ms }) => duration(waited_ms)],
    ['Reason', ({ reason }) => <Text of={reason} />],
    [
      'Run',
      ({ run, call }) => (
        <a href={callHref(run, call)}>
          {run.slice(-6)}, call {call}
        </a>
      ),
    ],
  ];
  return (
    <div class="scrolls" tabIndex={0} role="group" aria-label="Decisions">
      <table class="cards-when-narrow">
        <thead>
          <tr>
            {columns.map(([name]) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={`${one.run} ${one.call} ${one.by}`}>
              {columns.map(([name, cell]) => (
                <td key={name} data-name={name}>
                  <div>{cell(one)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
