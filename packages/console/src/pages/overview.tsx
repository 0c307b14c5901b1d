/** Work that needs a person now, how many runs there are and in which state, the last day, and what ended badly. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import type { RunsWanted } from '../data/run-list.ts';
import { count, cpu, money } from '../format.ts';
import { Ago, Empty, Fact, Noted, Problem, Shown, State } from '../ui/parts.tsx';
import { Table } from '../ui/table.tsx';
import { Text } from '../ui/text.tsx';
import { Hours } from './overview-hours.tsx';

type Totals = RouteAnswer<'totals'>['items'];
type Run = RouteAnswer<'listRuns'>['items'][number];
type Counts = RouteAnswer<'countRuns'>;
type History = RouteAnswer<'runHistory'>['items'];

/** Everything here is counted by the host over all runs, so it is not asked with each of their events. */
const EVERY_MS = 5_000;
const DAY_MS = 86_400_000;
const SHOWN = 12;
const AGENTS = 8;
/** Ends that nobody wanted: neither by completion, nor by a person who cancelled or killed the run. */
const BAD = ['failed', 'exceeded', 'looped', 'denied', 'diverged', 'never_started'];
/** Where the host's count of approvals stops. */
const MOST_ASKING = 1_000;

async function totalOf(of: RunsWanted, signal: AbortSignal): Promise<number> {
  return (await request('listRuns', { query: { ...of, limit: 1, total: 'true' } }, signal)).total ?? 0;
}

const refusedWanted = (): RunsWanted => ({ refused_from: Date.now() - DAY_MS, limit: SHOWN, total: 'true' });

async function read(signal: AbortSignal) {
  const badly: RunsWanted = { ended_as: [...BAD], ended_from: Date.now() - DAY_MS, sort: 'ended', limit: SHOWN, total: 'true' };
  const [totals, counts, history, approvals, unknown, upgrade, loops, bad, refused, withheld, ready] = await Promise.all([
    request('totals', {}, signal),
    request('countRuns', { query: { limit: AGENTS } }, signal),
    request('runHistory', {}, signal),
    hasRole('operator', 'approver', 'auditor', 'admin') ? request('countApprovals', {}, signal) : undefined,
    totalOf({ waiting: 'resolution' }, signal),
    totalOf({ waiting: 'upgrade' }, signal),
    totalOf({ stopped_by: 'loops' }, signal),
    request('listRuns', { query: badly }, signal),
    request('listRuns', { query: refusedWanted() }, signal),
    totalOf({ withheld_from: Date.now() - DAY_MS }, signal),
    request('ready', {}, signal),
  ]);
  return {
    totals: totals.items,
    counts,
    history: history.items,
    approvals,
    unknown,
    upgrade,
    loops,
    bad,
    refused,
    withheld,
    ready,
  };
}

export function Overview() {
  const overview = useLoad(read, { when: () => true, every_ms: EVERY_MS });
  return (
    <section class="overview">
      <h1>Overview</h1>
      <Shown of={overview}>
        {({ totals, counts, history, approvals, unknown, upgrade, loops, bad, refused, withheld, ready }) => (
          <>
            {ready.reasons.map(({ reason, detail }) => (
              <p class="problem" key={reason}>
                No work is taken: <Text of={detail} /> <a href={href('health')}>Health</a>
              </p>
            ))}
            <h2>Needs a person</h2>
            <ul class="tiles">
              {approvals !== undefined && (
                <Tile to={href('approvals')} n={approvals.waiting} most={MOST_ASKING} name="ask approval" tone="asks" />
              )}
              <Tile to={`${href('runs')}?state=unknown`} n={unknown} name="result unknown" tone="asks" />
              <Tile to={`${href('runs')}?state=withheld`} n={withheld} name="done within a day, agent not told" tone="asks" />
              <Tile to={`${href('runs')}?state=upgrade`} n={upgrade} name="need an upgrade" tone="asks" />
              <Tile to={`${href('runs')}?state=loops`} n={loops} name="paused by the loop detector" tone="warn" />
              <Tile to={`${href('runs')}?state=paused`} n={counts.states['paused'] ?? 0} name="paused" tone="warn" />
              <Tile to={`${href('runs')}?state=quarantined`} n={counts.states['quarantined'] ?? 0} name="quarantined" tone="warn" />
            </ul>
            <h2>Within a day</h2>
            <Day of={history} />
            <h2>Agents with most runs</h2>
            <Agents of={counts} />
            <h2>Runs by tenant</h2>
            <Tenants of={totals} />
            {hasRole('developer', 'operator', 'auditor', 'admin') && <Spent />}
            <h2>Refused within a day</h2>
            <Listed of={refused} none="Nothing was refused." more="refused" />
            <h2>Ended badly within a day</h2>
            <Listed of={bad} none="None did." />
          </>
        )}
      </Shown>
    </section>
  );
}

interface TileProps {
  readonly to: string;
  readonly n: number;
  /** The host counts no further than this. */
  readonly most?: number;
  readonly name: string;
  readonly tone: string;
}

function Tile({ to, n, most = Number.POSITIVE_INFINITY, name, tone }: TileProps) {
  return (
    <li>
      <a class={n === 0 ? 'tile' : `tile ${tone}`} href={to}>
        <strong>
          {count(n)}
          {n >= most && '+'}
        </strong>{' '}
        {name}
      </a>
    </li>
  );
}

const badIn = (states: Readonly<Record<string, number>>): number => BAD.reduce((sum, state) => sum + (states[state] ?? 0), 0);

function Day({ of }: { readonly of: History }) {
  const sum = (amount: (hour: History[number]) => number) => of.reduce((all, hour) => all + amount(hour), 0);
  return (
    <>
      <Hours of={of.map(({ at, admitted, ended }) => ({ at, all: admitted, bad: badIn(ended) }))} />
      <dl class="facts">
        <Fact name="Admitted">{count(sum(({ admitted }) => admitted))}</Fact>
        <Fact name="Completed">{count(sum(({ ended }) => ended['completed'] ?? 0))}</Fact>
        <Fact name="Ended badly">{count(sum(({ ended }) => badIn(ended)))}</Fact>
        <Fact name="CPU of those that ended">{cpu(sum(({ cpu_ms }) => cpu_ms))}</Fact>
        <Fact name="Tokens">{count(sum(({ tokens }) => tokens))}</Fact>
        <Fact name="Money">{money(sum(({ money_micros }) => money_micros))}</Fact>
      </dl>
    </>
  );
}

const runsOf = (filter: string, state = 'all'): string =>
  `${href('runs')}?q=${encodeURIComponent(filter)}${state === 'all' ? '' : `&state=${state}`}`;

function Agents({ of }: { readonly of: Counts }) {
  if (of.agents.length === 0) return <Empty>There is no run.</Empty>;
  const some =
    (...names: string[]) =>
    ({ states }: Counts['agents'][number]) =>
      count(names.reduce((sum, name) => sum + (states[name] ?? 0), 0));
  return (
    <>
      <Table
        label="Agents with most runs"
        first="Agent"
        rows={of.agents}
        keyOf={({ tenant, agent }) => `${tenant} ${agent}`}
        head={({ tenant, agent }) => (
          <a href={runsOf(`agent:${agent} tenant:${tenant}`)}>
            <Text of={agent} />
          </a>
        )}
        columns={[
          ['Queued', some('queued')],
          ['Active', some('active')],
          ['Paused or quarantined', some('paused', 'quarantined')],
          ['Completed', some('completed')],
          ['Ended by the loop detector', some('looped')],
          ['Ended badly', ({ states }) => count(badIn(states))],
        ]}
      />
      {of.more && (
        <p class="dim">
          There are more: <a href={href('agents')}>Agents</a>
        </p>
      )}
    </>
  );
}

function Tenants({ of }: { readonly of: Totals }) {
  if (of.length === 0) return <Empty>There is no tenant.</Empty>;
  return (
    <Table
      label="Runs by tenant"
      first="Tenant"
      rows={of}
      keyOf={({ tenant }) => tenant}
      head={({ tenant }) => (
        <a href={runsOf(`tenant:${tenant}`, 'live')}>
          <Text of={tenant} />
        </a>
      )}
      columns={[
        ['Not ended', ({ live, queue_most }) => (queue_most === 0 ? count(live) : `${count(live)} of ${count(queue_most)}`)],
        ['Queued', ({ queued }) => count(queued)],
        ['Active', ({ active }) => count(active)],
        ['Paused', ({ paused }) => count(paused)],
        ['Quarantined', ({ quarantined }) => count(quarantined)],
        ['In memory', ({ residents, residents_most }) => `${count(residents)} of ${count(residents_most)}`],
        ['Cells', ({ cells, cells_most }) => `${cells} of ${cells_most}`],
      ]}
    />
  );
}

/** Spending of this month, the largest accounts first. */
function Spent() {
  const { data, error, again } = useLoad((signal) => request('listSpend', { query: { by: 'month' } }, signal));
  if (data === undefined) return error === undefined ? null : <Problem of={error} again={again} />;
  const rows = data.items.filter(({ spent }) => spent.money_micros > 0 || spent.tokens > 0);
  if (rows.length === 0) return null;
  const most = rows.toSorted((a, b) => b.spent.money_micros - a.spent.money_micros || b.spent.tokens - a.spent.tokens).slice(0, SHOWN);
  return (
    <>
      <h2>Spent this month</h2>
      <Table
        label="Spent this month"
        first="Account"
        rows={most}
        keyOf={({ tenant, kind, name }) => `${tenant} ${kind} ${name}`}
        head={({ kind, name }) => (
          <>
            {kind} <Text of={name} />
          </>
        )}
        columns={[
          ['Money', ({ spent }) => money(spent.money_micros)],
          ['Tokens', ({ spent }) => count(spent.tokens)],
          ['Reserved', ({ reserved }) => money(reserved.money_micros)],
          [
            'Left of its limit',
            ({ bounds }) => {
              const left = bounds.money_micros?.left ?? null;
              return left === null ? '—' : money(left);
            },
          ],
        ]}
      />
    </>
  );
}

interface ListedProps {
  readonly of: { readonly items: readonly Run[]; readonly total?: number };
  readonly none: string;
  /** The state under which the rest is listed. */
  readonly more?: string;
}

function Listed({ of: { items, total = items.length }, none, more }: ListedProps) {
  if (items.length === 0) return <Empty>{none}</Empty>;
  return (
    <ul class="lines">
      {items.map((run) => (
        <li key={run.run}>
          <State of={run} /> <Noted of={run} />{' '}
          <a href={href('run', run.run)}>
            <Text of={run.agent} />
          </a>{' '}
          <span class="dim">
            <Ago at={run.ended_at ?? run.created_at} />
          </span>
        </li>
      ))}
      {total > items.length && (
        <li>
          {count(total - items.length)} more: <a href={`${href('runs')}${more === undefined ? '' : `?state=${more}`}`}>Runs</a>
        </li>
      )}
    </ul>
  );
}
