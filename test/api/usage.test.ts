/** Usage through the front door: sums by tenant, agent, person, model and day, as JSON and as CSV; the ceilings of tenants. */
import { beforeAll, expect, test } from 'vitest';
import { corral } from '../command.ts';
import { sharedFront } from '../front.ts';
import { until } from '../until.ts';

const ASKER = (
  name: string,
) => `{ name: '${name}', uses: { model: 'model:default' }, budget: { money_micros: 400_000_000 }, async run({ caps, input }) {
  for (let i = 0; i < input.times; i++) await caps.model({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'question ' + i }] }] });
} }`;

const config = {
  policies: 'none',
  models: { default: { provider: 'scripted', price: { input: 3, output: 15 }, turns: [{ when: {}, say: 'An answer.' }] } },
  tenants: {
    local: {
      queue: 50,
      residents: 5,
      budget: { calls: 500 },
      spend: { day: { calls: { soft: 40, hard: 90 } }, month: { money_micros: 900_000_000 } },
    },
    other: {},
  },
};
const shared = sharedFront({ configText: JSON.stringify(config) });

beforeAll(async () => {
  const { admin, as, deploy } = shared();
  for (const name of ['asker', 'clerk']) await deploy(ASKER(name));
  await deploy(ASKER('asker'), { tenant: 'other' });
  const ana = await as('local', 'developer');
  const runs = [
    await ana.submitRun({ body: { agent: 'asker', input: { times: 3 } } }),
    await ana.submitRun({ body: { agent: 'clerk', input: { times: 1 } } }),
    await admin.submitRun({ body: { tenant: 'local', agent: 'clerk', input: { times: 1 } } }),
    await admin.submitRun({ body: { tenant: 'other', agent: 'asker', input: { times: 2 } } }),
  ];
  for (const { run } of runs) await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  // The last commit of a run is durable before its end is told, and read by another connection.
  await until(async () => (await admin.usage({ query: { by: 'all' } })).total.calls === 7);
});

const get = async (path: string, secret: string, accept = 'application/json') => {
  const response = await fetch(`${shared().url}${path}`, { headers: { authorization: `Bearer ${secret}`, accept } });
  return { status: response.status, headers: response.headers, text: await response.text() };
};

test('is summed by agent, person, model and day; the sums agree with each other and with the accounts', async () => {
  const { admin } = shared();
  const agents = await admin.usage({ query: { by: 'agent', tenant: 'local' } });
  expect(agents.items.map(({ tenant, name, calls }) => [tenant, name, calls])).toEqual([
    ['local', 'asker', 3],
    ['local', 'clerk', 2],
  ]);
  const [account] = (await admin.listSpend({ query: { by: 'month', tenant: 'local' } })).items;
  expect(agents.total).toEqual({ rows: 2, ...account?.spent });
  for (const by of ['tenant', 'person', 'model', 'tool', 'all'] as const) {
    const { total } = await admin.usage({ query: { by, per: 'day', tenant: 'local' } });
    expect({ by, ...total, rows: 0 }).toEqual({ by, ...agents.total, rows: 0 });
  }
  const clerks = await admin.usage({ query: { by: 'person', agent: 'clerk' } });
  expect(clerks.items).toHaveLength(2);
  expect(clerks.items.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(agents.items[1]?.tokens);
  expect(await admin.usage({ query: { by: 'model' } })).toMatchObject({ items: [{ tenant: null, name: 'model:default', period: null }] });
  expect(await admin.usage({ query: { from: '2020-01-01', until: '2020-01-31' } })).toMatchObject({
    items: [],
    total: { rows: 0, money_micros: 0 },
  });
});

test('is read page by page, each row once', async () => {
  const { admin } = shared();
  const names: (string | null)[] = [];
  let cursor: string | undefined;
  do {
    const page = await admin.usage({ query: { by: 'agent', limit: 1, ...(cursor === undefined ? {} : { cursor }) } });
    expect(page.total.rows).toBe(3);
    names.push(...page.items.map(({ tenant, name }) => `${tenant} ${name}`));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  expect(names.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual(['local asker', 'local clerk', 'other asker']);
});

test('is CSV for who asks for it, by the header or in the query, and names the next page', async () => {
  const { secret } = await shared().as('*', 'auditor');
  const asked = await get('/v1/usage?by=agent&limit=2', secret, 'text/csv');
  expect(asked.headers.get('content-type')).toContain('text/csv');
  expect(asked.headers.get('content-disposition')).toBe('attachment; filename="usage.csv"');
  const [head, first] = asked.text.split('\r\n');
  expect(head).toBe('period,tenant,agent,money,money_micros,tokens,calls');
  expect(first).toMatch(/^,local,asker,[\d.]+,\d+,\d+,3$/);
  const next = /<([^>]+)>; rel="next"/.exec(asked.headers.get('link') ?? '')?.[1] ?? '';
  const rest = await get(`${next}&format=csv`, secret);
  expect(rest.text.split('\r\n')).toHaveLength(3);
  expect(rest.headers.get('link')).toBeNull();
  expect((await get('/v1/usage?format=json', secret, 'text/csv')).headers.get('content-type')).toContain('application/json');
});

test('is of one’s own tenant alone, and for nobody without a role for it; a tenant that does not exist is refused', async () => {
  const { as, admin } = shared();
  const others = await as('other', 'operator');
  expect((await others.usage({ query: { by: 'agent' } })).items).toMatchObject([{ tenant: 'other', name: 'asker', calls: 2 }]);
  expect((await others.listTenants({})).items.map(({ tenant }) => tenant)).toEqual(['other']);
  await expect(others.usage({ query: { tenant: 'local' } })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect((await as('local', 'approver')).usage({ query: {} })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(admin.usage({ query: { tenant: 'lokal' } })).rejects.toMatchObject({ code: 'CORRAL_TENANT_UNKNOWN' });
  await expect(admin.usage({ query: { from: '2026-02-01', until: '2026-01-01' } })).rejects.toMatchObject({
    code: 'CORRAL_REQUEST_INVALID',
  });
});

test('tenants are listed with what they use of each ceiling, and with what they may spend', async () => {
  const { admin } = shared();
  const { items } = await admin.listTenants({});
  const local = items.find(({ tenant }) => tenant === 'local');
  expect(local).toMatchObject({
    configured: true,
    quarantined: null,
    queue_most: 50,
    residents_most: 5,
    oldest_queued: null,
    run_most: { budget: { calls: 500 } },
    spend: { day: { calls: { spent: 5, reserved: 0, soft: 40, hard: 90 } }, month: { money_micros: { hard: 900_000_000, soft: null } } },
  });
  expect(items.find(({ tenant }) => tenant === 'other')?.spend.day.calls.hard).toBeNull();
});

test('the command prints a table with a sum, JSON, or CSV', async () => {
  const { data } = shared();
  const lines = (await corral(['usage', '--by', 'agent', '--data', data])).out.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^TENANT +AGENT +MONEY +TOKENS +CALLS$/);
  expect(lines[1]).toMatch(/^local +asker +[\d.]+ +\d+ +3$/);
  expect(lines.at(-1)).toMatch(/^total +[\d.]+ +\d+ +\d+$/);
  const csv = (await corral(['usage', '--by', 'model', '--csv', '--data', data])).out;
  expect(csv).toMatch(/^period,tenant,model,money,money_micros,tokens,calls\r\n,,model:default,/);
});
