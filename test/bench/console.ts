/**
 * Measures the console in a real Chromium on a real host: its first rows of 100,000 runs, a run with 50,000 entries, and the longest task of the
 * page meanwhile, in which it answers nobody.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { startHost } from '@corral/server/host';
import { SqliteFront } from '@corral/store/front';
import { launched } from '../chromium.ts';
import { durations, values, type Figure } from './measure.ts';

const RUNS = 100_000;
const ENTRIES = 50_000;
const PASSES = 3;
const ROUNDS = 5;
/** Rows that keys go up from the last one. */
const ROWS = 200;

const CONFIG = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({ policies: 'none', door: { rate_per_s: 100000, burst: 100000 }, tenants: { local: { loops: false } },
  tools: [tool({ name: 'look', description: 'looks', input: z.object({ n: z.number() }), output: z.unknown(),
    annotations: { readOnly: true, openWorld: false, returns: 'trusted' }, run: ({ n }) => ({ n, text: 'x'.repeat(100) }) })] });`;
const LOOKER = `{ name: 'looker', uses: { look: 'tool:look' }, budget: { calls: 1000000, cpu_ms: 6000000, bytes: 10000000000 },
  ceilings: { crank_cpu_ms: 5000 }, async run({ caps }) { for (let n = 0; n < ${ENTRIES}; n++) await caps.look({ n }); } }`;

/** Ended runs, as a host leaves them. */
function fill(data: string): void {
  const db = new SqliteFront(data, (n) => new Uint8Array(n));
  db.together(() => {
    for (let i = 0; i < RUNS; i++) {
      const id = `run_${String(i).padStart(12, '0')}`;
      const created_at = Date.now() - RUNS * 1_000 + i * 1_000;
      const version = `sha256:${'a'.repeat(64)}`;
      db.runs.add({ id, tenant: 'local', agent: `agent-${i % 23}`, version, principal: `user:p${i % 50}`, created_at } as never, 'c');
      db.runs.began(id);
      const spent = { cpu_ms: i % 1009, calls: i % 31, tokens: i % 5003, money_micros: (i * 17) % 1_000_003 };
      db.runs.end(id, { kind: 'completed', output: null } as never, created_at + 500, spent);
    }
  });
  db.close();
}

/** Run in the page before anything else: notes when elements are first painted, and how long its tasks were, as far as they were long. */
const watching = (selectors: readonly string[]) => `
globalThis.painted = {}; globalThis.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration))).observe({ type: 'longtask', buffered: true });
new MutationObserver(() => {
  for (const of of ${JSON.stringify(selectors)}) if (!(of in painted) && document.querySelector(of) !== null) {
    painted[of] = undefined;
    requestAnimationFrame(() => setTimeout(() => (painted[of] = performance.now())));
  }
}).observe(document, { subtree: true, childList: true });`;

/** Opens an address. @returns when the element was painted, in milliseconds since the navigation began */
async function opened(page: Page, address: string, selector: string): Promise<number> {
  await page.goto(address, { waitUntil: 'commit' });
  return page.evaluate<number>(
    `(async () => { while (painted[${JSON.stringify(selector)}] === undefined) await new Promise((go) => setTimeout(go, 5)); return painted[${JSON.stringify(selector)}]; })()`,
  );
}
const repeated = async (one: () => Promise<number>): Promise<number[]> => {
  const samples: number[] = [];
  for (let i = 0; i < ROUNDS; i++) samples.push(await one());
  return samples;
};

/** A page that shows the same answers as plain text, and asks for nothing else. */
async function bare(answers: Readonly<Record<string, unknown>>): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const app = fastify({ forceCloseConnections: true });
  const script = `const of = location.search.slice(1);
const rows = (await (await fetch('/answers/' + of)).json()).map((one) => '<tr><td>' + Object.values(one).join('<td>') + '</tr>');
document.querySelector('table').innerHTML = rows.join('');`;
  app.get('/', (_, reply) =>
    reply.type('text/html').send('<!doctype html><table></table><script type="module" src="/script.js"></script>'),
  );
  app.get('/script.js', (_, reply) => reply.type('text/javascript').send(script));
  app.get<{ Params: { of: string } }>('/answers/:of', ({ params }) => answers[params.of]);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, close: () => app.close() };
}

const ROW = '.window-row';
const RUN = '.run-head h1';
const ENTRY = '.journal .card';
const WHY = '.verdict .lead';

/** A page in which somebody is signed in. */
async function signedIn(browser: Browser, url: string, secret: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(120_000);
  await context.addInitScript(watching([ROW, RUN, ENTRY, WHY, 'tr']));
  const page = await context.newPage();
  await page.goto(`${url}/console/health`);
  await page.getByLabel('Token').fill(secret);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.liveness').waitFor();
  return page;
}

/** The longest task of the page since it was opened, in milliseconds; 50 if none took longer, since a browser reports no shorter ones. */
const longest = (page: Page): Promise<number> => page.evaluate<number>('Math.max(50, ...tasks)');

export async function consoleViews(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'crb-'));
  const data = join(folder, 'd');
  await mkdir(data, { mode: 0o700 });
  fill(data);
  await writeFile(join(folder, 'corral.config.ts'), CONFIG);
  const host = await startHost({ data, port: 0, config: join(folder, 'corral.config.ts'), env: {}, oneWall: true });
  const browser = await launched();
  try {
    const admin = createClient(transportTo({ socket: host.socket }));
    const url = host.url ?? '';
    const { secret } = await admin.makeToken({ body: { name: 'bench', roles: ['operator', 'auditor'] } });
    const page = await signedIn(browser, url, secret);
    const run = await longRun(admin, folder);
    const floor = await bare({
      runs: (await admin.listRuns({ query: { limit: 100 } })).items,
      run: [await admin.showRun({ params: { run } })],
      journal: (await admin.runJournal({ params: { run }, query: { after: ENTRIES - 100, limit: 100 } })).items.map((one) => ({
        of: JSON.stringify(one),
      })),
    });
    const plain = (of: string) => () => repeated(() => opened(page, `${floor.url}/?${of}`, 'tr'));
    const view = (at: string, selector: string) => () => repeated(() => opened(page, `${url}/console/${at}`, selector));
    const note = 'from the address to the paint; floor: a bare page that shows the same answer as plain text';
    const figures = [
      await durations('console first rows', PASSES, view('runs', ROW), plain('runs'), { note: `of ${RUNS} runs; ${note}` }),
      await longestTask(page, `${url}/console/runs`, floor.url),
      await durations('console run', PASSES, view(`run/${run}`, RUN), plain('run'), { note: `of ${ENTRIES} entries; ${note}` }),
      await durations('console run, why', PASSES, view(`run/${run}`, WHY), plain('run'), {
        note: 'until its explanation is there, for which the host reads the whole journal',
      }),
      await durations('console run, journal', PASSES, view(`run/${run}/journal`, ENTRY), plain('journal'), {
        note: 'its last 100 entries',
      }),
    ];
    await floor.close();
    return figures;
  } finally {
    await browser.close();
    await host.close(1_000);
    await rm(folder, { recursive: true, force: true });
  }
}

/** A run of one call an entry, which has ended. */
async function longRun(admin: Client, folder: string): Promise<RunId> {
  const file = join(folder, 'looker.ts');
  await writeFile(file, `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${LOOKER});`);
  const { source, describing } = await bundleAgent(file);
  await admin.deployAgent({ body: { source, describing } });
  const { run } = await admin.submitRun({ body: { agent: 'looker' } });
  for (;;) {
    const { ended_as, journal_entries } = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    if (ended_as === 'completed' && journal_entries >= ENTRIES) return run;
    if (ended_as !== null) throw new Error(`The run ended as ${ended_as} with ${journal_entries} entries.`);
  }
}

/** Reads the whole list to its last row, goes on by keys, and back. */
async function longestTask(page: Page, list: string, floor: string): Promise<Figure> {
  const walk = async () => {
    await opened(page, list, ROW);
    await page.keyboard.press('Shift+G');
    await page.evaluate(
      `(async () => { while (!document.querySelector('.tally').textContent.endsWith(' runs')) await new Promise((go) => setTimeout(go, 50)); })()`,
    );
    for (let i = 0; i < ROWS; i++) await page.keyboard.press('k');
    return longest(page);
  };
  const nothing = async () => {
    await opened(page, `${floor}/?runs`, 'tr');
    return longest(page);
  };
  return values(
    'console longest task',
    'ms',
    'less',
    PASSES,
    walk,
    nothing,
    `all ${RUNS} rows are read to the last one by G, then ${ROWS} rows up by k; 50: no task took longer`,
  );
}
