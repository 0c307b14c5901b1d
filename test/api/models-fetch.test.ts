/** Requests of SDKs that a model capability answers, on a whole host with a real server: they are bounded, billed and refused as calls are. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, shortFolder } from '../front.ts';
import { modelServer } from '../model-server.ts';
import type { Says } from '../openai-server.ts';

const FETCHES = agentFile('models/fetches');
const KEY = 'sk-not-for-guests-0123456789';
const say = (content: unknown, more: object = {}) => ({ model: 'gpt-5', messages: [{ role: 'user', content }], ...more });

async function withServer(says: Says, config: object = {}) {
  const server = await modelServer(says);
  const model = {
    provider: 'openai-compatible',
    base_url: server.url,
    model: 'm-1',
    key: 'model',
    price: { input: 1_000_000, output: 2_000_000 },
    max_output_tokens: 50,
  };
  const f = await front({
    configText: JSON.stringify({ policies: 'none', models: { default: model }, secrets: { model: { env: 'MODEL_KEY' } }, ...config }),
    env: { ...process.env, MODEL_KEY: KEY },
  });
  await f.deploy(FETCHES);
  const ask = async (bodies: readonly object[], more: object = {}) => {
    const { run } = await f.admin.submitRun({ body: { agent: 'fetches', input: { bodies } as never, ...more } });
    const shown = await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    const journal = JSON.stringify(await f.admin.runJournal({ params: { run }, query: {} }));
    return { shown, journal, answers: (shown.outcome as { readonly output?: unknown } | null)?.output };
  };
  return { server, ask };
}

describe('a request to the address of a provider', () => {
  test('reaches the configured model alone, with the host’s key and bound, and is billed what was counted', async () => {
    const { server, ask } = await withServer({ reply: ({ key }) => `hello ${key}`, usage: { prompt_tokens: 1000, completion_tokens: 40 } });
    const { shown, journal, answers } = await ask([say('hello', { max_tokens: 100_000 })]);
    expect(answers).toMatchObject([
      { status: 200, body: { model: 'm-1', choices: [{ message: { content: 'hello [secret:model]' } }], usage: { total_tokens: 1040 } } },
    ]);
    expect(server.asked).toMatchObject([{ path: '/v1/chat/completions', key: KEY, body: { model: 'm-1', max_tokens: 50 } }]);
    expect(shown).toMatchObject({ tokens: 1040, money_micros: 1_080_000_000 });
    expect(journal).not.toContain(KEY);
    expect(JSON.stringify(server.asked) + journal).not.toMatch(/sk-guest|evil\.example|x-forwarded-for/);
  });

  test('is refused without asking where the purse, the configuration or a policy say so', async () => {
    const { server, ask } = await withServer({ reply: () => 'ok' });
    expect((await ask([say('a', { service_tier: 'priority' })])).answers).toMatchObject([
      { status: 400, body: { error: { code: 'CORRAL_TOOL_FAILED', message: expect.stringContaining('openai.serviceTier') as string } } },
    ]);
    expect((await ask([say('b')], { budget: { tokens: 60 } })).answers).toMatchObject([
      { status: 402, body: { error: { code: 'CORRAL_BUDGET_EXCEEDED' } } },
    ]);
    const file = join(await shortFolder(), 'models.cedar');
    await writeFile(
      file,
      `@id("all") permit (principal, action, resource);
@id("not-m-1") forbid (principal, action == Action::"model:default", resource == Model::"default") when { resource.model == "m-1" };`,
    );
    const policed = await withServer({ reply: () => 'ok' }, { policies: [file] });
    expect((await policed.ask([say('c')])).answers).toMatchObject([
      { status: 403, body: { error: { code: 'CORRAL_DENIED', message: expect.stringContaining('not-m-1') as string } } },
    ]);
    expect([...server.asked, ...policed.server.asked]).toEqual([]);
  });

  test('is made once more by the host where the provider is busy, and told as such where it stays so', async () => {
    const { server, ask } = await withServer({ reply: (_, n) => (n === 0 ? { status: 429 } : n === 1 ? 'ok' : { status: 503 }) });
    expect((await ask([say('a')])).answers).toMatchObject([{ status: 200 }]);
    expect(server.asked).toHaveLength(2);
    expect((await ask([say('b')])).answers).toMatchObject([
      { status: 503, body: { error: { message: expect.stringContaining('503') as string } } },
    ]);
  });
});
