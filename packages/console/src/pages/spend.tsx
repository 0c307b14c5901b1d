/** What tenants use of their ceilings, and what was spent: by agent, person, model, tool or tenant, day by day, and as CSV. */
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { addressOf, ask as request, me } from '../data/api.ts';
import { ask as alter, href, query } from '../data/address.ts';
import { useAttempt } from '../data/attempt.ts';
import { csvOf, save } from '../data/download.ts';
import { useLoad } from '../data/load.ts';
import { count, money } from '../format.ts';
import { Ago, Badge, Empty, Fact, Problem, Shown } from '../ui/parts.tsx';
import { Table } from '../ui/table.tsx';
import { Text } from '../ui/text.tsx';
import { Days, everyDay } from './spend-days.tsx';

type Tenant = RouteAnswer<'listTenants'>['items'][number];
type Report = RouteAnswer<'usage'>;
type By = Report['by'];

const EVERY_MS = 5_000;
const DAY_MS = 86_400_000;
const ROWS = 100;
const BY: readonly (readonly [By, string])[] = [
  ['agent', 'Agent'],
  ['person', 'Person'],
  ['model', 'Model'],
  ['tool', 'Tool'],
  ['tenant', 'Tenant'],
];
const SPANS: Readonly<Record<string, string>> = { month: 'This month', '7': '7 days', '30': '30 days', '90': '90 days', '365': 'A year' };

export function Spend() {
  const tenants = useLoad((signal) => request('listTenants', {}, signal), { when: () => true, every_ms: EVERY_MS });
  return (
    <section class="overview">
      <h1>Tenants and spend</h1>
      <Shown of={tenants}>{({ items }) => <Tenants of={items} />}</Shown>
      <h2>Spend</h2>
      <Usage tenants={(tenants.data?.items ?? []).map(({ tenant }) => tenant)} />
    </section>
  );
}

const ofMost = (used: number, most: number | null): string => (most === null ? count(used) : `${count(used)} of ${count(most)}`);

function Tenants({ of }: { readonly of: readonly Tenant[] }) {
  if (of.length === 0) return <Empty>There is no tenant.</Empty>;
  const spent = ({ spent: amount, reserved, hard }: Tenant['spend']['day']['money_micros']) =>
    `${money(amount + reserved)}${hard === null ? '' : ` of ${money(hard)}`}`;
  return (
    <Table
      label="Tenants and their ceilings"
      first="Tenant"
      rows={of}
      keyOf={({ tenant }) => tenant}
      head={({ tenant, quarantined, configured }) => (
        <>
          <a href={`${href('runs')}?q=${encodeURIComponent(`tenant:${tenant}`)}&state=live`}>
            <Text of={tenant} />
          </a>{' '}
          {quarantined !== null && <Badge tone="warn">quarantined</Badge>}
          {!configured && <Badge tone="calm">removed</Badge>}
        </>
      )}
      columns={[
        ['Not ended', ({ live, queue_most, configured }) => ofMost(live, configured ? queue_most : null)],
        ['Queued', ({ queued }) => count(queued)],
        ['Oldest queued', ({ oldest_queued }) => (oldest_queued === null ? '—' : <Ago at={oldest_queued} />)],
        ['In memory', ({ residents, residents_most }) => ofMost(residents, residents_most)],
        ['Cells', ({ cells, cells_most }) => ofMost(cells, cells_most)],
        ['Money today', ({ spend }) => spent(spend.day.money_micros)],
        ['Money this month', ({ spend }) => spent(spend.month.money_micros)],
        ['Tokens this month', ({ spend: { month } }) => ofMost(month.tokens.spent + month.tokens.reserved, month.tokens.hard)],
        ['Calls this month', ({ spend: { month } }) => ofMost(month.calls.spent + month.calls.reserved, month.calls.hard)],
      ]}
    />
  );
}

/** What the address asks for. */
function wanted() {
  const at = query.value;
  const by = BY.find(([name]) => name === at.get('by'))?.[0] ?? 'agent';
  const span = Object.hasOwn(SPANS, at.get('span') ?? '') ? (at.get('span') ?? 'month') : 'month';
  const tenant = at.get('tenant') ?? '';
  const today = new Date().toISOString().slice(0, 10);
  const from =
    span === 'month' ? `${today.slice(0, 7)}-01` : new Date(Date.parse(today) - (Number(span) - 1) * DAY_MS).toISOString().slice(0, 10);
  return { by, span, tenant, from, until: today };
}

function Usage({ tenants }: { readonly tenants: readonly string[] }) {
  const { by, span, tenant, from, until } = wanted();
  const pages = Math.max(1, Number(query.value.get('pages')) || 1);
  const which = { from, until, ...(tenant === '' ? {} : { tenant: tenant as never }) };
  const found = useLoad(
    async (signal) => {
      const [rows, days] = await Promise.all([
        request('usage', { query: { ...which, by, limit: Math.min(1_000, pages * ROWS) } }, signal),
        request('usage', { query: { ...which, by: 'all', per: 'day', limit: 1_000 } }, signal),
      ]);
      return { rows, days };
    },
    { of: [by, tenant, from, until], at: [pages], when: () => true, every_ms: EVERY_MS },
  );
  return (
    <>
      <div class="filter" role="group" aria-label="What is summed">
        <Select label="By" value={by} of={BY} part="by" />
        <Select label="Time" value={span} of={Object.entries(SPANS).toSorted(bySpan)} part="span" />
        {me.value?.tenant === '*' && (
          <Select label="Tenant" value={tenant} of={[['', 'All tenants'], ...tenants.map((name) => [name, name] as const)]} part="tenant" />
        )}
        <Download path={addressOf('usage', { query: { ...which, by, per: 'day' } }).path} name={`spend-by-${by}-${from}-${until}.csv`} />
      </div>
      <Shown of={found}>{({ rows, days }) => <Found rows={rows} days={days} pages={pages} />}</Shown>
    </>
  );
}

/** The month first, then the shorter ones. */
const bySpan = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (Number(a) || 0) - (Number(b) || 0);

interface FoundProps {
  readonly rows: Report;
  readonly days: Report;
  readonly pages: number;
}

function Found({ rows: { by, items, total, from, until }, days, pages }: FoundProps) {
  if (items.length === 0) return <Empty>Nothing was spent in this time.</Empty>;
  const share = (part: number, all: number) => (all === 0 ? '—' : `${Math.round((part / all) * 100)} %`);
  return (
    <>
      <dl class="facts">
        <Fact name="Money">{money(total.money_micros)}</Fact>
        <Fact name="Tokens">{count(total.tokens)}</Fact>
        <Fact name="Calls with a price">{count(total.calls)}</Fact>
      </dl>
      <Days
        of={everyDay(
          from,
          until,
          days.items.map(({ period, ...amounts }) => ({ day: period ?? '', ...amounts })),
        )}
      />
      <Table
        label="Spend"
        first={BY.find(([name]) => name === by)?.[1] ?? ''}
        rows={items}
        keyOf={({ tenant, name }) => `${tenant} ${name}`}
        head={({ name }) => (name === '' ? 'inspectors' : <Text of={name ?? ''} />)}
        columns={[
          ...(items.some(({ tenant }) => tenant !== null) && by !== 'tenant'
            ? ([['Tenant', ({ tenant }: Report['items'][number]) => <Text of={tenant ?? ''} />]] as const)
            : []),
          ['Money', ({ money_micros }) => money(money_micros)],
          [
            'Share',
            ({ money_micros, tokens }) => (total.money_micros > 0 ? share(money_micros, total.money_micros) : share(tokens, total.tokens)),
          ],
          ['Tokens', ({ tokens }) => count(tokens)],
          ['Calls', ({ calls }) => count(calls)],
        ]}
      />
      {items.length < total.rows && (
        <p class="dim">
          {count(items.length)} of {count(total.rows)}, the most money first.{' '}
          {items.length < 1_000 ? (
            <button type="button" onClick={() => alter({ pages: String(pages + 1) })}>
              More
            </button>
          ) : (
            'The CSV has all.'
          )}
        </p>
      )}
    </>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly of: readonly (readonly [string, string])[];
  /** The part of the address that it changes. */
  readonly part: string;
}

function Select({ label, value, of, part }: SelectProps) {
  return (
    <select aria-label={label} value={value} onChange={(event) => alter({ [part]: event.currentTarget.value, pages: undefined })}>
      {of.map(([name, shown]) => (
        <option key={name} value={name}>
          {shown}
        </option>
      ))}
    </select>
  );
}

function Download({ path, name }: { readonly path: string; readonly name: string }) {
  const { attempt, busy, error } = useAttempt();
  const load = () => attempt(async () => save(await csvOf('usage', path), name));
  return (
    <>
      <button type="button" disabled={busy} onClick={() => void load()}>
        {busy ? 'Loading…' : 'CSV, by the day'}
      </button>
      {error !== undefined && <Problem of={error} />}
    </>
  );
}
