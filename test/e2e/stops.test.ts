/** Stopping and starting in the right order: real processes, real signals, and what was paid is known afterwards. */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import { CORRAL_MAIN } from '../command.ts';
import { shortFolder } from '../front.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const CONFIG = fileURLToPath(new URL('fixtures/stops.config.ts', import.meta.url));
const AGENT = agentFile('crew/payer');

interface Up {
  readonly pid: number;
  readonly url: string;
  readonly client: Client;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** As Ctrl-C in a terminal does: all processes of its group. */
  readonly killGroup: (signal: NodeJS.Signals) => void;
  /** Settles once the process is gone. */
  readonly gone: Promise<number | null>;
}

/** Starts `corral up`. @throws what it printed, once its process is gone, if it ends instead */
async function up(folder: string, ...more: string[]): Promise<Up> {
  const data = join(folder, 'd');
  const args = ['up', '--data', data, '--json', '--config', CONFIG, ...(more.includes('--port') ? [] : ['--port', '0']), ...more];
  const child = spawn(process.execPath, [CORRAL_MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LEDGER: join(folder, 'ledger') },
    // A group of its own, as a terminal gives to a command.
    detached: true,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let err = '';
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  const gone = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  const line = await Promise.race([
    new Promise<string>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(text.toString()))),
    gone.then((code) => Promise.reject(new Error(`exit ${code}: ${err}`))),
  ]);
  const { url, error } = JSON.parse(line) as { url: string; error?: { code: string } };
  if (error !== undefined) throw new Error(`exit ${await gone}: ${error.code}`);
  const client = createClient(transportTo({ socket: join(data, 'corral.sock') }));
  return {
    pid: child.pid as number,
    url,
    client,
    kill: (signal) => void child.kill(signal),
    killGroup: (signal) => void process.kill(-(child.pid as number), signal),
    gone,
  };
}

async function prepared(): Promise<string> {
  const folder = await shortFolder();
  await writeFile(join(folder, 'ledger'), '');
  return folder;
}
const ledger = async (folder: string) => (await readFile(join(folder, 'ledger'), 'utf8')).split('\n').filter((line) => line !== '');
const deploy = async ({ client }: Up) => {
  const { source, describing } = await bundleAgent(AGENT.file);
  await client.deployAgent({ body: { source, describing } });
};
const submit = async ({ client }: Up, input: object) =>
  (await client.submitRun({ body: { agent: 'payer', input: input as never }, headers: {} })).run;
const begun = (folder: string, line: string) => until(async () => (await ledger(folder)).includes(line));
const show = ({ client }: Up, run: string) => client.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } });
/** Answers of calls that the store keeps by themselves. */
function kept(folder: string): number {
  const db = new DatabaseSync(join(folder, 'd', 'corral.db'), { readOnly: true });
  try {
    return (db.prepare('SELECT count(*) AS there FROM inbox WHERE seq < 0').get() as { there: number }).there;
  } finally {
    db.close();
  }
}

describe('a host that is told to stop', () => {
  test('waits for the calls under way, says so meanwhile, and their answers are known to the next one', async () => {
    const folder = await prepared();
    const host = await up(folder, '--drain', '20000');
    await deploy(host);
    const runs = await Promise.all(['ada', 'bob', 'eve'].map((to) => submit(host, { to, ms: 1_500, told: 'obeys' })));
    for (const to of ['ada', 'bob', 'eve']) await begun(folder, `begin ${to}`);
    host.kill('SIGTERM');
    await until(async () => (await fetch(`${host.url}/readyz`)).status === 503);
    expect(await (await fetch(`${host.url}/readyz`)).json()).toMatchObject({
      ready: false,
      draining: true,
      why: expect.stringMatching(/shutting/) as string,
    });
    await expect(submit(host, { to: 'late', ms: 1, told: 'deaf' })).rejects.toMatchObject({ code: 'CORRAL_STOPPING' });
    expect(await host.gone).toBe(0);
    expect((await ledger(folder)).toSorted()).toEqual(['begin ada', 'begin bob', 'begin eve', 'paid ada', 'paid bob', 'paid eve']);
    const next = await up(folder);
    for (const run of runs) expect((await show(next, run)).outcome).toEqual({ kind: 'completed', output: { paid: true } });
    expect(await ledger(folder)).toHaveLength(6);
  });

  test(
    'aborts what is still under way when its time is over; what a tool then says is kept, and a failure is not taken for knowledge',
    { tags: 'long' },
    async () => {
      const folder = await prepared();
      const host = await up(folder, '--drain', '300');
      await deploy(host);
      const answers = await submit(host, { to: 'ada', ms: 60_000, told: 'answers' });
      const obeys = await submit(host, { to: 'bob', ms: 60_000, told: 'obeys' });
      const deaf = await submit(host, { to: 'eve', ms: 60_000, told: 'deaf' });
      const looks = await submit(host, { look: 8_000 });
      for (const line of ['begin ada', 'begin bob', 'begin eve', 'look']) await begun(folder, line);
      host.kill('SIGTERM');
      // Though one tool has a minute to go, and does not listen.
      expect(await host.gone).toBe(0);
      expect(await ledger(folder)).toEqual(expect.arrayContaining(['stopped ada', 'stopped bob']));
      const next = await up(folder);
      expect((await show(next, answers)).outcome).toEqual({ kind: 'completed', output: { paid: false } });
      expect((await show(next, looks)).outcome).toEqual({ kind: 'completed', output: { seen: true } });
      for (const run of [obeys, deaf]) {
        expect((await next.client.showRun({ params: { run }, query: {} })).waiting).toBe('resolution');
        expect((await next.client.whyRun({ params: { run } })).next).toEqual([
          expect.stringContaining(`corral resolve ${run} 1 --result JSON -m WHY`),
        ]);
      }
      expect((await ledger(folder)).filter((line) => line === 'look')).toHaveLength(2);
      next.kill('SIGTERM');
      expect(await next.gone).toBe(0);
      // For people, it says at its start that they are waited for.
      const shown = spawn(
        process.execPath,
        [CORRAL_MAIN, 'up', '--data', join(folder, 'd'), '--config', CONFIG, '--port', '0', '--drain', '1s'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
          env: { ...process.env, LEDGER: join(folder, 'ledger') },
        },
      );
      onTestFinished(() => void shown.kill('SIGKILL'));
      let said = '';
      shown.stdout.on('data', (text: Buffer) => (said += text.toString()));
      await until(() => said.includes('Configuration'));
      expect(said).toContain('2 runs were under way: 0 go on, 2 wait for a person.');
      for (const run of [obeys, deaf]) expect(said).toContain(`corral why ${run}`);
      const left = new Promise((done) => shown.on('close', done));
      shown.kill('SIGTERM');
      expect(await left).toBe(0);
    },
  );

  const WAITS = 'to its whole group, and once more by what forwards signals, waits for the calls of its tools';
  test(`by SIGINT ${WAITS}`, { tags: 'long' }, () => expectWaits('SIGINT'));
  test(`by SIGTERM ${WAITS}`, { tags: 'long' }, () => expectWaits('SIGTERM'));

  async function expectWaits(signal: NodeJS.Signals) {
    const folder = await prepared();
    const host = await up(folder, '--drain', '60000');
    await deploy(host);
    const run = await submit(host, { to: 'ada', ms: 2_000, told: 'obeys' });
    await begun(folder, 'begin ada');
    host.killGroup(signal);
    host.kill(signal);
    expect(await host.gone).toBe(0);
    expect(await ledger(folder)).toEqual(['begin ada', 'paid ada']);
    const next = await up(folder);
    expect((await show(next, run)).outcome).toEqual({ kind: 'completed', output: { paid: true } });
  }

  test('ends at once when it is told again', async () => {
    const folder = await prepared();
    const host = await up(folder, '--drain', '600000');
    await deploy(host);
    await submit(host, { to: 'ada', ms: 600_000, told: 'deaf' });
    await begun(folder, 'begin ada');
    host.kill('SIGTERM');
    await until(async () => (await fetch(`${host.url}/readyz`)).status === 503);
    host.kill('SIGINT');
    expect(await host.gone).toBe(143);
  });
});

test('an answer that may not be asked for again survives its host, though its run had no turn since', { tags: 'long' }, async () => {
  const folder = await prepared();
  const host = await up(folder);
  await deploy(host);
  const run = await submit(host, { to: 'ada', ms: 400, told: 'obeys' });
  await begun(folder, 'begin ada');
  await host.client.operate({ body: { operation: 'pause', target: { run }, reason: 'look', dryRun: false } });
  await begun(folder, 'paid ada');
  await until(() => Promise.resolve(kept(folder) === 1));
  host.kill('SIGKILL');
  await host.gone;
  const next = await up(folder);
  await next.client.operate({ body: { operation: 'resume', target: { run }, reason: 'go', dryRun: false } });
  expect((await show(next, run)).outcome).toEqual({ kind: 'completed', output: { paid: true } });
  expect([await ledger(folder), kept(folder)]).toEqual([['begin ada', 'paid ada'], 0]);
});

describe('a host that cannot have its address', () => {
  test('makes no call again, and leaves no process behind', async () => {
    const folder = await prepared();
    const host = await up(folder);
    await deploy(host);
    const run = await submit(host, { look: 2_000 });
    await begun(folder, 'look');
    host.kill('SIGKILL');
    await host.gone;
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    await expect(up(folder, '--port', String(port))).rejects.toThrow(/exit 3: CORRAL_ADDRESS_TAKEN/);
    expect(await ledger(folder)).toEqual(['look']);
    const next = await up(folder);
    expect((await show(next, run)).outcome).toEqual({ kind: 'completed', output: { seen: true } });
    expect(await ledger(folder)).toEqual(['look', 'look']);
  });
});
