/**
 * Measures lists, searches, counts and sums of usage of a host that has had 200,000 runs, and how long they block the thread on which that
 * host does everything else.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrontReads } from '@corral/protocol/ports/front-reads';
import type { Usage, UsageWanted } from '@corral/protocol/model/spend';
import { dayOf } from '@corral/protocol/model/spend';
import { SqliteFront } from '@corral/store/front';
import { FrontReader } from '@corral/store/front/reader';
import { SqliteStore } from '@corral/store/sqlite';
import { fillHoldings } from '@corral/store/fixtures/holdings';
import { fillUsage } from '@corral/store/fixtures/usage';
import { durations, type Figure } from './measure.ts';

const RUNS = 200_000;
/** Number of acts, of decisions of people, and of notifications, half of which were given up. */
const ACTS = 20_000;
const ROUNDS = 20;
const PASSES = 3;
const HOUR_MS = 3_600_000;
const SPAN_MS = 30 * 24 * HOUR_MS;
const OUTCOMES = [
  { kind: 'completed', output: null },
  { kind: 'completed', output: null },
  { kind: 'exceeded', limit: 'cpu' },
  { kind: 'failed', error: { code: 'CORRAL_STALLED', message: '' } },
  { kind: 'killed', by: 'ana', reason: 'x' },
];

/** Tables as a host leaves them: 23 agents of 7 tenants, one run of 40 not ended. @returns those that have not */
function fill(folder: string): { readonly id: string; readonly tenant: string }[] {
  const db = new SqliteFront(folder, (n) => new Uint8Array(n));
  const [version, config] = [`sha256:${'a'.repeat(64)}`, `sha256:${'c'.repeat(64)}`];
  const used: Parameters<typeof db.runs.used>[0][number][] = [];
  const live: { id: string; tenant: string }[] = [];
  db.together(() => {
    for (let i = 0; i < RUNS; i++) {
      const id = `run_${i.toString(36).padStart(12, '0')}`;
      const created_at = Date.now() - SPAN_MS + Math.floor((i / RUNS) * SPAN_MS);
      const record = { id, tenant: `t${i % 7}`, agent: `agent-${(i * 7919) % 23}`, version, principal: `user:p${i % 50}`, created_at };
      db.runs.add(record as never, config);
      db.runs.began(id);
      const spent = { cpu_ms: (i * 7) % 1009, calls: i % 31, tokens: (i * 13) % 5003, money_micros: (i * 17) % 1_000_003 };
      if (i % 40 === 0) {
        used.push({ id, ...spent });
        live.push({ id, tenant: record.tenant });
      } else db.runs.end(id, OUTCOMES[i % OUTCOMES.length] as never, created_at + 5_000, spent);
    }
    for (let i = 0; i < ACTS; i++) {
      const text = { id: `op_${i}`, operation: ['kill', 'pause', 'decide'][i % 3], by: `user:p${i % 50}`, matched: [`run_${i}`] };
      db.operations.add({ id: text.id, tenant: `t${i % 7}`, at: i, text: JSON.stringify(text) });
      const [run, verdict] = [`run_${i.toString(36).padStart(12, '0')}`, (['approve', 'approve', 'deny'] as const)[i % 3] ?? 'deny'];
      const about = { tenant: `t${i % 7}`, agent: `agent-${i % 23}`, tool: `tool-${i % 5}`, shape: `shape_${i % 200}` };
      db.approvals.decided({ run, call: 1, ...about, verdict, by: `user:p${i % 50}`, reason: 'as ordered', asked_at: i, at: i + 1 });
      db.deliveries.enqueue({ id: `m${i}`, hook: `h${i % 5}`, url: 'http://x', tenant: `t${i % 7}`, kind: 'run.ended', body: '{}', at: i });
    }
  });
  const manifest = { uses: { give: 'tool:pay' } };
  for (let i = 0; i < 7 * 23; i++) {
    const deployed = { version, bundle: version, manifest: { ...manifest, name: `agent-${i % 23}` } };
    db.registry.deploy(`t${i % 7}`, [deployed as never], undefined, 'user:p0', 1);
  }
  db.runs.used(used);
  db.deliveries.expire(ACTS / 2, ACTS);
  db.close();
  return live;
}

const MONTH = { from: dayOf(Date.now() - SPAN_MS), until: dayOf(Date.now()), limit: 100, offset: 0, where: {} };
const SUMS: Readonly<Record<string, UsageWanted>> = {
  'usage by agent': { ...MONTH, by: 'agent' },
  'usage by model and day': { ...MONTH, by: 'tool', models: true, per: 'day' },
  'usage by person of an agent': { ...MONTH, by: 'person', where: { agent: 'agent-3' } },
  'usage by model of a tenant’s person, by day': { ...MONTH, by: 'tool', per: 'day', where: { tenant: 't3', person: 'user:p3' } },
  'usage by agent of a model': { ...MONTH, by: 'agent', where: { tool: 'model:m1' } },
  'usage by day of a model’s agent': { ...MONTH, per: 'day', where: { tool: 'model:m1', agent: 'agent-3' } },
};

const QUESTIONS: Readonly<Record<string, (reads: FrontReads) => Promise<unknown>>> = {
  'by money': (reads) => reads.runs({ sort: 'money', limit: 50 }),
  'by money, of a tenant, counted': (reads) => reads.runs({ sort: 'money', tenant: 't3', limit: 50, total: true }),
  'by end, outcome and agents': (reads) =>
    reads.runs({ sort: 'ended', ended_as: ['exceeded', 'failed'], agent: ['agent-3', 'agent-4'], limit: 50, total: true }),
  'a text that nothing has': (reads) => reads.runs({ q: 'zzzz', limit: 50 }),
  'a state that none has': (reads) => reads.runs({ control: ['quarantined'], limit: 50 }),
  'counts by state and agent': (reads) => reads.states(undefined),
  'a month by hour': (reads) => reads.spans({ from: Date.now() - SPAN_MS, until: Date.now(), hours: 1 }),
  'acts on a run': (reads) => reads.acts({ run: 'run_7', limit: 50 }),
  'decisions of a person about a tool': (reads) => reads.decided({ by: ['user:p7'], tool: ['tool-2'], limit: 50 }),
  'decisions counted, of a tenant': (reads) => reads.decidedCounts({ tenant: 't3' }),
  'notifications given up, of a tenant': (reads) =>
    reads.deliveries({ hooks: undefined, tenant: 't3', hook: undefined, state: 'given_up', before: undefined, limit: 50 }),
  'receivers of notifications': (reads) => reads.hooks(['h0', 'h1', 'h2', 'h3', 'h4']),
  'runs that hold a tool, by money, counted': (reads) => reads.runs({ holds: 'pay', sort: 'money', limit: 50, total: true }),
  'versions whose runs hold a tool': (reads) => reads.toolVersions('t3', 'pay', ['tool:pay']),
};

/** The longest time for which this thread could not answer while the work was done. Milliseconds. */
async function blocked(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const look = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  }, 1);
  await work();
  clearInterval(look);
  return longest;
}

export async function lists(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'crb-'));
  try {
    const live = fill(folder);
    await fillUsage(folder, RUNS, SPAN_MS);
    fillHoldings(folder, live);
    const reads = new FrontReader(folder);
    const store = await SqliteStore.open(folder);
    const timed = async (ask: (reads: FrontReads) => Promise<unknown>) => {
      const samples: number[] = [];
      for (let i = 0; i < ROUNDS; i++) {
        const began = performance.now();
        await ask(reads);
        samples.push(performance.now() - began);
      }
      return samples;
    };
    const newest = (of: FrontReads) => of.runs({ limit: 50 });
    await timed(newest);
    const figures: Figure[] = [];
    const sums = Object.entries(SUMS).map(([name, wanted]) => [name, (): Promise<Usage> => store.usage(wanted)] as const);
    for (const [name, ask] of [...Object.entries(QUESTIONS), ...sums]) {
      let longest = 0;
      const figure = await durations(
        `lists, ${name}`,
        PASSES,
        async () => {
          let samples: number[] = [];
          longest = Math.max(longest, await blocked(async () => void (samples = await timed(ask))));
          return samples;
        },
        () => timed(newest),
      );
      figures.push({
        ...figure,
        note: `${RUNS} runs; floor: the 50 newest by the same thread; the host’s thread was blocked for ${longest.toFixed(1)} ms at most`,
      });
    }
    await reads.close();
    await store.close();
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
