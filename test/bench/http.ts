/** Measures requests by HTTP behind a capability: what checks, guards and the search for secrets cost, and what the whole bus does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { httpTools } from '@corral/server/config/http';
import { Http } from '@corral/server/config/http-schema';
import { Vault } from '@corral/server/config/secrets';
import { Pool } from '@corral/tools/net/guarded';
import { BareCell, BareCommits } from './floors/floors.ts';
import { values, type Figure } from './measure.ts';
import { benchWorld } from './world.ts';

const CALLS = 2_000;
const RUN_CALLS = 400;
const AT_ONCE = 16;
const PASSES = 5;
const SERVER = fileURLToPath(new URL('./floors/http-server.ts', import.meta.url));

const ASKS = `{ name: 'asks', uses: { crm: 'http:crm' }, ceilings: { crank_cpu_ms: 5000 }, budget: { calls: 1000000, cpu_ms: 600000, bytes: 1000000000 },
  async run({ input, caps }) { for (let n = 0; n < input.n; n++) await caps.crm({ path: '/items' }); } }`;

export async function http(): Promise<Figure[]> {
  const server = spawn(process.execPath, [SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const origin = line.toString().trim();
  const vault = new Vault({ crm: { env: 'KEY' } }, { KEY: 'a-key-of-the-crm-0123456789' });
  const said = Http.parse({ crm: { origins: [origin], secrets: { authorization: 'Bearer {crm}' } } });
  const [made] = httpTools(said, { secret: vault.read, redact: (text) => vault.redact(text) });
  if (made === undefined) throw new Error('there is no capability');
  const tool = vault.guard(made);
  const pool = new Pool(origin, { connections: 64, pipelining: 1 });
  const headers = {
    authorization: 'Bearer a-key-of-the-crm-0123456789',
    'user-agent': 'corral',
    'accept-encoding': 'gzip, deflate, br, zstd',
  };
  /** As a program asks that reads the answer as text. */
  const direct = async () => {
    const { statusCode, body } = await pool.request({ method: 'GET', path: '/items', headers });
    return { statusCode, text: await body.text() };
  };
  const signal = new AbortController().signal;
  const of = { attempt: 1, run: 'run_x' as never, tenant: 't' as never, agent: 'a', person: 'local', idempotency_key: 'k', signal };
  const asked = async () => {
    const checked = tool.input.check({ path: '/items' });
    if (!checked.ok) throw new Error(checked.message);
    const result = await tool.invoke({ ...of, input: checked.value as never });
    if (result.kind !== 'ok') throw new Error(result.message);
  };
  const each = async (one: () => Promise<unknown>, n: number, at_once = 1) => {
    const began = performance.now();
    await Promise.all(
      Array.from({ length: at_once }, async () => {
        for (let i = 0; i < n / at_once; i++) await one();
      }),
    );
    return (performance.now() - began) / n;
  };
  await Promise.all([each(direct, 500), each(asked, 500)]);
  const figures = [
    await values(
      'http tool',
      'ms',
      'less',
      PASSES,
      () => each(asked, CALLS),
      () => each(direct, CALLS),
      'a GET with a secret after the other, on loopback; floor: undici',
    ),
    await values(
      `http tool ${AT_ONCE} at once`,
      'ms',
      'less',
      PASSES,
      () => each(asked, CALLS, AT_ONCE),
      () => each(direct, CALLS, AT_ONCE),
      `the same, ${AT_ONCE} at once; floor: undici`,
    ),
  ];
  const world = await benchWorld([tool]);
  const version = await world.deploy(ASKS);
  const ran = async (n: number) => (await world.submit(version, { n })).ended;
  const cell = new BareCell();
  const commits = await BareCommits.open();
  let text = await cell.crank('{}');
  const floor = async () => {
    const [{ id }] = JSON.parse(text) as [{ id: number }];
    await commits.commit(text);
    text = await cell.crank(JSON.stringify({ id, value: await direct() }));
  };
  await Promise.all([ran(50), each(floor, 50)]);
  figures.push(
    await values(
      'http call',
      'ms',
      'less',
      PASSES,
      () => each(() => ran(RUN_CALLS), 1).then((ms) => ms / RUN_CALLS),
      () => each(floor, RUN_CALLS),
      'a call of a run after the other; floor: undici, a bare crank and one FULL commit',
    ),
  );
  await cell.close();
  await world.close();
  await pool.destroy();
  await tool.close?.();
  server.kill();
  return figures;
}
