/** Calls of a model that end before the model has answered: the run is cancelled or killed, its host is, or the provider fails. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { agentFile, agentText } from '../agents/file.ts';
import { CORRAL, start } from '../command.ts';
import { front, shortFolder } from '../front.ts';
import { modelServer } from '../model-server.ts';
import type { OpenAiServer } from '../openai-server.ts';
import { found, until } from '../until.ts';
import { reservedBy } from './reserved.ts';

const NEVER = new Promise<never>(() => undefined);
const MODEL = {
  file_tokens: 10,
  provider: 'openai-compatible',
  model: 'm-1',
  price: { input: 1_000_000, output: 2_000_000 },
  max_output_tokens: 50,
};
const configuration = (server: OpenAiServer) =>
  JSON.stringify({ policies: 'none', models: { default: { ...MODEL, base_url: server.url } } });

describe('a model that is slow', () => {
  test.each(['cancel', 'kill'] as const)('is asked no longer once its run is gone (%s), which is billed as reserved', async (operation) => {
    const server = await modelServer({ reply: () => NEVER });
    const f = await front({ configText: configuration(server) });
    await f.deploy(agentFile('models/asks'));
    const { run } = await f.admin.submitRun({ body: { agent: 'asks', input: { prompts: ['a'] } } });
    await until(() => server.asked.length === 1, 'the model is asked');
    expect(server.given_up).toHaveLength(0);
    await f.admin.operate({ body: { operation, target: { run }, reason: 'enough' } });
    await until(() => server.given_up.length === 1, 'the connection is closed');
    const { outcome } = await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    expect(outcome).toMatchObject(
      operation === 'kill' ? { kind: 'killed' } : { kind: 'completed', output: [{ code: 'AbortError: enough' }] },
    );
    // Nobody knows what the provider bills, so the accounts have all that was reserved.
    const spent = await found(async () => {
      const { items } = await f.admin.listSpend({ query: { by: 'day' } });
      return items.find((one) => one.reserved.tokens === 0);
    }, 'the call is settled');
    expect(spent.spent.tokens).toBe((await reservedBy(f.admin, run)).tokens);
    expect(server.asked).toHaveLength(1);
  });

  test('is asked again after its host was killed, and billed once', { tags: 'long' }, async () => {
    const server = await modelServer({ reply: (_, n) => (n === 0 ? NEVER : 'at last') });
    const folder = await shortFolder();
    const data = join(folder, 'd');
    const config = join(folder, 'corral.config.json');
    await writeFile(config, configuration(server));
    await writeFile(join(folder, 'asks.ts'), agentText('models/asks'));
    const corral = (...args: string[]) => start([...CORRAL, ...args], { cwd: folder, env: { CORRAL_DATA: data } });
    const first = corral('up', '--data', data, '--port', '0', '--json', '--config', config);
    await until(() => first.out().includes('\n'), 'the host is up');
    expect((await corral('deploy', 'asks.ts').said).code).toBe(0);
    const run = (await corral('submit', 'asks', '--input', '{"prompts":["a"]}').said).out.trim() as RunId;
    await until(() => server.asked.length === 1, 'the model is asked');
    first.child.kill('SIGKILL');
    await first.said;
    await until(() => server.given_up.length === 1, 'the connection is closed');
    const second = await front({ data, configText: configuration(server) });
    const shown = await second.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    expect(shown.outcome).toMatchObject({ kind: 'completed', output: [{ text: 'at last' }] });
    expect(server.asked).toHaveLength(2);
    // Earlier attempts may have spent what was reserved, so that is billed: once, and nothing besides.
    const { tokens, money_micros } = await reservedBy(second.admin, run);
    expect(shown).toMatchObject({ tokens, money_micros });
  });
});

test('a failure of the provider is billed as reserved, and a request that was never sent is not', async () => {
  const usage = { prompt_tokens: 50, completion_tokens: 20 };
  const server = await modelServer({ reply: (_, n) => (n === 0 ? { status: 500 } : 'ok'), usage });
  const f = await front({ configText: configuration(server) });
  await f.deploy(agentFile('models/asks'));
  const ended = async (prompt: unknown) => {
    const { run } = await f.admin.submitRun({ body: { agent: 'asks', input: { prompts: [prompt] } as never } });
    return f.admin.showRun({ params: { run }, query: { wait_ms: 50_000 } });
  };
  const failed = await ended('a');
  expect(failed.outcome).toMatchObject({ output: [{ text: 'ok' }] });
  // Reserved are three attempts: the failed one is billed as that, and the second as it was counted.
  expect(failed.tokens).toBe((await reservedBy(f.admin, failed.run)).tokens / 3 + 70);
  const file = { type: 'file', mediaType: 'application/x-odd', data: { type: 'data', data: 'aGVsbG8=' } };
  const unsent = await ended([{ role: 'user', content: [file] }]);
  const message = expect.stringContaining('application/x-odd') as string;
  expect(unsent.outcome).toMatchObject({ output: [{ code: 'CORRAL_TOOL_FAILED', message }] });
  expect([server.asked.length, unsent.tokens]).toEqual([2, 0]);
});
