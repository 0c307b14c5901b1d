/** What needs a person now, how many runs there are and in which state, and what ended badly of late. */
import type { ComponentChildren } from 'preact';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { ask as request, hasRole } from '../data/api.ts';
import { href } from '../data/address.ts';
import { useLoad } from '../data/load.ts';
import { count, money } from '../format.ts';
import { Ago, Badge, Empty, Loading, Problem, State } from '../ui/parts.tsx';
import { Text } from '../ui/text.tsx';

type Totals = RouteAnswer<'totals'>['items'];
type Run = RouteAnswer<'listRuns'>['items'][number];

/** Of each kind, so many are counted: what needs a person is a short list, or something else is wrong. */
const COUNTED = 100;
/** How many of the latest runs are looked through for bad ends. */
const LATEST = 200;
const SHOWN = 12;

const runs = (query: object, signal: AbortSignal) => request('listRuns', { query: { limit: COUNTED, ...query } }, signal);

async function read(signal: AbortSignal) {
  const [totals, approvals, unknown, upgrade, paused, quarantined, latest, ready] = await Promise.all([
    request('totals', {}, signal),
    hasRole('operator', 'approver', 'auditor', 'admin') ? request('listApprovals', { query: { limit: COUNTED } }, signal) : undefined,
    runs({ waiting: 'resolution' }, signal),
    runs({ waiting: 'upgrade' }, signal),
    runs({ control: 'paused' }, signal),
    runs({ control: 'quarantined' }, signal),
    runs({ limit: LATEST }, signal),
    request('ready', {}, signal),
  ]);
  const bad = latest.items.filter(({ ended_as }) => ended_as !== null && ended_as !== 'completed' && ended_as !== 'cancelled');
  return { totals: totals.items, approvals, unknown, upgrade, paused, quarantined, bad, looked: latest.items.length, ready };
}

export function Overview() {
  const { data, error, again } = useLoad(read, [], () => document.visibilityState === 'visible');
  if (data === undefined) return error === undefined ? <Loading /> : <Problem of={error} again={again} />;
  const { approvals } = data;
  return (
    <section class="overview">
      <h1>Overview</h1>
      {error !== undefined && <Problem of={error} again={again} />}
      {data.ready.reasons.map(({ reason, detail }) => (
        <p class="problem" key={reason}>
          No work is taken: <Text of={detail} /> <a href={href('health')}>Health</a>
        </p>
      ))}
      <h2>Needs a person</h2>
      <ul class="tiles">
        {approvals !== undefined && <Tile to={href('approvals')} of={approvals} name="ask approval" tone="asks" />}
        <Tile to={`${href('runs')}?state=unknown`} of={data.unknown} name="result unknown" tone="asks" />
        <Tile to={`${href('runs')}?state=upgrade`} of={data.upgrade} name="need an upgrade" tone="asks" />
        <Tile to={`${href('runs')}?state=paused`} of={data.paused} name="paused" tone="warn" />
        <Tile to={`${href('runs')}?state=quarantined`} of={data.quarantined} name="quarantined" tone="warn" />
      </ul>
      <h2>Runs by tenant</h2>
      <Tenants of={data.totals} />
      {hasRole('developer', 'operator', 'auditor', 'admin') && <Spent />}
      <h2>Ended badly, of the latest {data.looked}</h2>
      <Bad of={data.bad} />
    </section>
  );
}

interface TileProps {
  readonly to: string;
  readonly of: { readonly items: readonly unknown[]; readonly next: string | null };
  readonly name: string;
  readonly tone: string;
}

function Tile({ to, of, name, tone }: TileProps) {
  const n = of.items.length;
  return (
    <li>
      <a class={n === 0 ? 'tile' : `tile ${tone}`} href={to}>
        <strong>
          {n}
          {of.next === null ? '' : '+'}
        </strong>{' '}
        {name}
      </a>
    </li>
  );
}

function Tenants({ of }: { readonly of: Totals }) {
  if (of.length === 0) return <Empty>There is no tenant.</Empty>;
  const columns: readonly (readonly [string, (row: Totals[number]) => ComponentChildren])[] = [
    ['Not ended', ({ live, queue_most }) => (queue_most === 0 ? count(live) : `${count(live)} of ${count(queue_most)}`)],
    ['Queued', ({ queued }) => count(queued)],
    ['Active', ({ active }) => count(active)],
    ['Paused', ({ paused }) => count(paused)],
    ['Quarantined', ({ quarantined }) => count(quarantined)],
    ['In memory', ({ residents, residents_most }) => `${count(residents)} of ${count(residents_most)}`],
    ['Cells', ({ cells, cells_most }) => `${cells} of ${cells_most}`],
  ];
  return (
    <div class="scrolls" tabIndex={0} role="region" aria-label="Runs by tenant">
      <table>
        <thead>
          <tr>
            <th scope="col">Tenant</th>
            {columns.map(([name]) => (
              <th scope="col" class="num" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {of.map((row) => (
            <tr key={row.tenant}>
              <th scope="row">
                <a href={`${href('runs')}?q=${encodeURIComponent(`tenant:${row.tenant}`)}&state=live`}>
                  <Text of={row.tenant} />
                </a>
              </th>
              {columns.map(([name, cell]) => (
                <td class="num" key={name}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What was spent this month, the largest accounts first. */
function Spent() {
  const { data, error } = useLoad((signal) => request('listSpend', { query: { by: 'month' } }, signal), []);
  if (error !== undefined) return <Problem of={error} />;
  const rows = (data?.items ?? []).filter(({ spent }) => spent.money_micros > 0 || spent.tokens > 0);
  if (rows.length === 0) return null;
  const most = rows.toSorted((a, b) => b.spent.money_micros - a.spent.money_micros || b.spent.tokens - a.spent.tokens).slice(0, SHOWN);
  return (
    <>
      <h2>Spent this month</h2>
      <div class="scrolls" tabIndex={0} role="region" aria-label="Spent this month">
        <table>
          <thead>
            <tr>
              <th scope="col">Account</th>
              <th scope="col" class="num">
                Money
              </th>
              <th scope="col" class="num">
                Tokens
              </th>
              <th scope="col" class="num">
                Reserved
              </th>
              <th scope="col" class="num">
                Left of its limit
              </th>
            </tr>
          </thead>
          <tbody>
            {most.map(({ tenant, kind, name, spent, reserved, bounds }) => (
              <tr key={`${tenant} ${kind} ${name}`}>
                <th scope="row">
                  {kind} <Text of={name} />
                </th>
                <td class="num">{money(spent.money_micros)}</td>
                <td class="num">{count(spent.tokens)}</td>
                <td class="num">{money(reserved.money_micros)}</td>
                <td class="num">
                  {bounds.money_micros?.left === null || bounds.money_micros === undefined ? '—' : money(bounds.money_micros.left)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Bad({ of }: { readonly of: readonly Run[] }) {
  if (of.length === 0) return <Empty>None did.</Empty>;
  return (
    <ul class="lines">
      {of.slice(0, SHOWN).map((run) => (
        <li key={run.run}>
          <State of={run} />{' '}
          <a href={href('run', run.run)}>
            <Text of={run.agent} />
          </a>{' '}
          <span class="dim">
            <Ago at={run.ended_at ?? run.created_at} />
          </span>
        </li>
      ))}
      {of.length > SHOWN && (
        <li>
          <Badge tone="calm">{of.length - SHOWN} more</Badge> <a href={href('runs')}>Runs</a>
        </li>
      )}
    </ul>
  );
}
