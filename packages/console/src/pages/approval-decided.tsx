/** What people decided about calls and questions. The filter is part of the address; the counts are over all that match, and not of the page alone. */
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
import { Text } from '../ui/text.tsx';

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
};
const FIELDS = [
  { name: 'agent', label: 'Agent' },
  { name: 'tool', label: 'Tool' },
  { name: 'by', label: 'Person (me: yourself)' },
  { name: 'tenant', label: 'Tenant' },
] as const;
const DAYS = [1, 7, 30] as const;

export function DecidedCalls() {
  const at = query.value;
  const [pages, setPages] = useState(1);
  const wanted = ['agent', 'tool', 'by', 'tenant', 'verdict', 'run', 'shape', 'days'].map((name) => at.get(name) ?? '');
  const [agent, tool, by, tenant, verdict, run, shape, days] = wanted as [string, string, string, string, string, string, string, string];
  const { data, error, again } = useLoad(
    (signal) =>
      pagesOf(pages, (next) => {
        const since = days === '' ? {} : { since: Date.now() - Number(days) * DAY_MS };
        const filter = { agent, tool, by, tenant, verdict, run, shape };
        const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''));
        return request('listDecisions', { query: { ...(given as Query), ...since, limit: LIMIT, counts: 'true', ...next } }, signal);
      }),
    { of: wanted, at: [pages], when: anyOf('run.decided') },
  );
  useKeys([{ key: '/', does: 'write a filter', run: () => document.getElementById('decided-agent')?.focus() }]);
  return (
    <>
      <Filter verdict={verdict} days={days} />
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

function Filter({ verdict, days }: { readonly verdict: string; readonly days: string }) {
  return (
    <form class="row" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
      {FIELDS.map(({ name, label }) => (
        <label key={name}>
          {label}
          <input
            id={`decided-${name}`}
            value={query.value.get(name) ?? ''}
            maxLength={100}
            onChange={(event) => alter({ [name]: event.currentTarget.value.trim() })}
          />
        </label>
      ))}
      <label>
        Verdict
        <select value={verdict} onChange={(event) => alter({ verdict: event.currentTarget.value })}>
          <option value="">any</option>
          {Object.entries(SAID).map(([name, { text }]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Time
        <select value={days} onChange={(event) => alter({ days: event.currentTarget.value })}>
          <option value="">any</option>
          {DAYS.map((one) => (
            <option key={one} value={String(one)}>
              {one === 1 ? 'the last day' : `the last ${one} days`}
            </option>
          ))}
        </select>
      </label>
    </form>
  );
}

const countsText = (counts: Readonly<Partial<Record<Verdict, number>>>): string =>
  (Object.keys(SAID) as Verdict[])
    .flatMap((one) => (counts[one] === undefined ? [] : [`${count(counts[one])} ${SAID[one].text}`]))
    .join(', ');

function Rows({ of }: { readonly of: readonly Decided[] }) {
  return (
    <div class="scrolls" tabIndex={0} role="group" aria-label="Decisions">
      <table>
        <thead>
          <tr>
            {['When', 'Verdict', 'By', 'Agent', 'Tool', 'Waited', 'Reason', 'Run'].map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={`${one.run} ${one.call} ${one.by}`}>
              <td>
                <Moment at={one.at} />
              </td>
              <td>
                <Badge tone={SAID[one.verdict].tone}>{SAID[one.verdict].text}</Badge>
              </td>
              <td>
                <Text of={one.by} />
              </td>
              <td>
                <Text of={one.agent} />
              </td>
              <td>
                <Text of={one.tool} />
              </td>
              <td>{duration(one.waited_ms)}</td>
              <td>
                <Text of={one.reason} />
              </td>
              <td>
                <a href={callHref(one.run, one.call)}>
                  {one.run.slice(-6)}, call {one.call}
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
