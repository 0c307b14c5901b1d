/** Inspectors and hosts that die: real processes, SIGKILL while an inspector is being asked. */
import { execFile, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { bundleAgent } from '@corral/cli/bundle';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { agentFile } from '../agents/file.ts';
import { CORRAL_MAIN } from '../command.ts';
import { shortFolder } from '../front.ts';
import { inspectorServer } from '../inspector-server.ts';
import { until } from '../until.ts';

const RULES = `
@id("attack") forbid (principal, action in Action::"call", resource is Model) when { context.inspect.firewall.found };
@id("attack-in-answer") forbid (principal, action == Action::"answer", resource is Model) when { context.inspect.firewall.found };
`;

async function up(folder: string): Promise<{ readonly client: Client; readonly kill: (signal: NodeJS.Signals) => Promise<unknown> }> {
  const data = join(folder, 'd');
  const child = spawn(
    process.execPath,
    [CORRAL_MAIN, 'up', '--data', data, '--json', '--config', join(folder, 'corral.config.json'), '--port', '0'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const gone = new Promise((resolve) => child.once('close', resolve));
  onTestFinished(() => void child.kill('SIGKILL'));
  await Promise.race([
    new Promise((resolve) => child.stdout.once('data', resolve)),
    gone.then((code) => Promise.reject(new Error(`the host ended with ${String(code)}`))),
  ]);
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return gone;
  };
  return { client: createClient(transportTo({ socket: join(data, 'corral.sock') })), kill };
}

const inspections = async (client: Client, run: RunId) =>
  (await client.runJournal({ params: { run } })).items.filter(({ event }) => (event as { kind?: string } | null)?.kind === 'inspected');

test(
  'a call is held while its inspector is asked; a host that dies then asks again, and the call is decided and made once',
  { tags: 'long' },
  async () => {
    const silent = new Promise<undefined>(() => undefined);
    const server = await inspectorServer(() => silent);
    const folder = await shortFolder();
    await writeFile(join(folder, 'rules.cedar'), RULES);
    const config = {
      policies: ['default', 'rules.cedar'],
      models: { default: { provider: 'scripted', turns: [{ say: 'ok' }] } },
      inspectors: { firewall: { kind: 'http', url: server.url, timeout_ms: 60_000, on: ['request', 'answer'] } },
    };
    await writeFile(join(folder, 'corral.config.json'), JSON.stringify(config));
    const asked = (place: string) => server.asked.filter((one) => one.place === place).length;

    const first = await up(folder);
    const { source, describing } = await bundleAgent(agentFile('models/asks').file);
    await first.client.deployAgent({ body: { source, describing } });
    const { run } = await first.client.submitRun({ body: { agent: 'asks', input: { prompts: ['hello'] } } });
    await until(() => asked('request') === 1, 'the inspector is asked about the call');
    expect(await first.client.showRun({ params: { run } })).toMatchObject({ lifecycle: 'active', waiting: 'call' });
    await first.kill('SIGKILL');

    // The next host asks again; it dies while the inspector is asked about the answer.
    server.reply = ({ place }) => (place === 'request' ? { found: false } : silent);
    const second = await up(folder);
    await until(() => asked('answer') === 1, 'the inspector is asked about the answer');
    expect(asked('request')).toBe(2);
    await second.kill('SIGKILL');

    server.reply = () => ({ found: false, kinds: [], score: 0 });
    const third = await up(folder);
    const ended = await third.client.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    expect(ended.outcome).toMatchObject({ kind: 'completed', output: [{ text: 'ok' }] });
    expect(asked('request')).toBe(2);
    expect(await inspections(third.client, run)).toHaveLength(1);
    await third.kill('SIGTERM');

    // A replay, and an evaluation of the same and of other policies, ask nobody.
    const before = server.asked.length;
    const corral = async (...args: string[]) =>
      (await promisify(execFile)(process.execPath, [CORRAL_MAIN, ...args, '--data', join(folder, 'd')], { cwd: folder })).stdout;
    expect(await corral('replay', run)).toContain('replayed the same');
    expect(await corral('policy', 'shadow', 'default', 'rules.cedar', '--config', 'corral.config.json')).toContain(
      '0 of 1 decisions would differ',
    );
    expect(server.asked).toHaveLength(before);
  },
);
