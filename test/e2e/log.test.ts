/** The log of `corral up`: what it has lines of, what is in none of them, and how a terminal shows them. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createClient } from '@corral/protocol/api/client';
import { transportTo } from '@corral/client/node';
import { bundleSource } from '../bundles.ts';
import { CORRAL, HAS_TERMINALS, inTerminal } from '../command.ts';
import { family } from '../processes.ts';
import { shortFolder } from '../front.ts';
import { until } from '../until.ts';

const SECRET = 'canary-4711';
const AGENT = `{ name: 'logger', run: ({ input, log, emit }) => { log(input.text); emit('said', input.text); if (input.fail) throw new Error('no'); return input.text; } }`;

/** @param terminal in a terminal, whose output is that of the host's two streams together */
async function up(terminal: boolean, ...more: string[]) {
  const folder = await shortFolder();
  const data = join(folder, 'd');
  const line = [...CORRAL, 'up', '--data', data, '--port', '0', ...more];
  const env: NodeJS.ProcessEnv = { ...process.env, TERM: 'xterm', NO_COLOR: '1' };
  delete env['FORCE_COLOR'];
  const quoted = line.map((word) => `'${word}'`).join(' ');
  const [program = '', ...args] = terminal ? inTerminal(`stty cols 200; exec ${quoted}`) : line;
  const child = spawn(program, args, { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'], env });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const closed = new Promise((resolve) => child.on('close', resolve));
  await until(() => out.includes('Corral is up') || out.includes('"up":true'), 'the host is up');
  const client = createClient(transportTo({ socket: join(data, 'corral.sock') }));
  return {
    folder,
    client,
    out: () => out.replaceAll('\r', ''),
    lines: () =>
      err
        .split('\n')
        .filter((text) => text.startsWith('{'))
        .map((text) => JSON.parse(text) as Record<string, unknown>),
    said: () => err,
    /** Nobody reads the log from now on. */
    standStill: () => void child.stderr.pause(),
    exits: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      return ended;
    },
    stop: async () => {
      process.kill(family(child.pid).find(({ pid }) => pid !== child.pid)?.pid ?? child.pid ?? 0, 'SIGTERM');
      await closed;
    },
    end: async () => {
      child.kill('SIGTERM');
      await closed;
    },
  };
}

async function work({ client, folder }: Awaited<ReturnType<typeof up>>): Promise<string[]> {
  const { source, describing } = await bundleSource(AGENT, join(folder, 'agents', 'logger.ts'));
  await client.deployAgent({ body: { source, describing, alias: 'prod' } });
  const runs: string[] = [];
  for (const fail of [false, true]) {
    const { run } = await client.submitRun({ body: { agent: 'logger', input: { text: SECRET, fail } } });
    await client.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    runs.push(run);
  }
  await expect(client.listRuns({ query: { agent: 'loger', q: SECRET } })).rejects.toThrow('Did you mean logger?');
  return runs;
}

test('has a line of JSON for each request, end, failure and change, and payloads in none', async () => {
  const host = await up(false, '--json');
  const [good, bad] = await work(host);
  await host.end();
  const lines = host.lines();
  const found = (some: Record<string, unknown>) =>
    lines.filter((line) => Object.entries(some).every(([key, value]) => line[key] === value));
  expect(found({ msg: 'request', method: 'POST', route: '/v1/runs', status: 201 })).toHaveLength(2);
  expect(found({ msg: 'request', method: 'GET', route: '/v1/runs/:run', run: good })).toMatchObject([
    { by: expect.stringMatching(/^user:/) as string, level: 30 },
  ]);
  expect(found({ msg: 'request', code: 'CORRAL_AGENT_UNKNOWN' })).toMatchObject([{ status: 404, level: 40, route: '/v1/runs' }]);
  expect(found({ event: 'run.ended', run: good })).toMatchObject([{ agent: 'logger', level: 30, data: { ended_as: 'completed' } }]);
  expect(found({ event: 'run.ended', run: bad })).toMatchObject([{ level: 40, data: { ended_as: 'failed(CORRAL_AGENT_THREW)' } }]);
  expect(found({ event: 'agent.deployed' })).toHaveLength(1);
  expect(lines.every(({ time }) => typeof time === 'string')).toBe(true);
  expect(host.said()).not.toContain(SECRET);
});

test('has only lines of the level that was asked for', { tags: 'long' }, async () => {
  const host = await up(false, '--json', '--log', 'error');
  await work(host);
  await host.end();
  expect(host.lines()).toEqual([]);
});

test('does not hold up the host, nor its end, where nobody reads it', { tags: 'long' }, async () => {
  const host = await up(false, '--json');
  host.standStill();
  // More lines than a pipe holds; requests that come too soon have theirs as well.
  for (let i = 0; i < 5_000; i++) await host.client.whoAmI({}).catch(() => undefined);
  expect(await host.exits()).toBe(0);
});

test.skipIf(!HAS_TERMINALS)('is for people in a terminal', async () => {
  const host = await up(true);
  const [, bad = ''] = await work(host);
  await until(() => host.out().includes('CORRAL_AGENT_UNKNOWN'), 'the line of the last request');
  await host.stop();
  expect(host.out()).toMatch(/^\d\d:\d\d:\d\dZ info {2}POST \/v1\/runs {2}201 {2}[\d.]+ ms {2}user:\w+$/m);
  expect(host.out()).toMatch(
    new RegExp(`^[\\d:]{8}Z warn {2}run\\.ended {2}${bad} {2}logger {2}tenant=local {2}ended_as=failed\\(CORRAL_AGENT_THREW\\)$`, 'm'),
  );
  expect(host.out()).not.toContain('{"level"');
});

test('the host says at which address its console is, and the page is there', async () => {
  const host = await up(false);
  const address = () => /^Console: (http:\/\/127\.0\.0\.1:\d+\/) /m.exec(host.out())?.[1];
  await until(() => address() !== undefined, 'the address of the console is printed');
  expect(await (await fetch(address() ?? '')).text()).toContain('<title>Corral</title>');
  await host.end();
});
