/** A script in the place of a configured model: the test's words, and the configuration's decisions. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { agentUnderTest } from '@corral/testing';
import { agentFile } from '../agents/file.ts';

const ONLY = (model: string) => `@id("all") permit (principal, action, resource);
@id("only") forbid (principal, action == Action::"model:default", resource == Model::"default") unless { resource.provider == "openai-compatible" && resource.model == "${model}" };`;

async function scripted(permitted: string, budget: object = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'crl-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'corral.config.json');
  await writeFile(join(folder, 'only.cedar'), ONLY(permitted));
  const model = {
    provider: 'openai-compatible',
    base_url: 'http://127.0.0.1:9/v1',
    model: 'm-1',
    price: { input: 1_000_000, output: 1_000_000 },
    max_output_tokens: 50,
  };
  await writeFile(config, JSON.stringify({ policies: [join(folder, 'only.cedar')], models: { default: model } }));
  const agent = await agentUnderTest(agentFile('models/asks').file, { 'model:default': [{ say: 'by the script' }] }, { config });
  onTestFinished(() => agent.close());
  return (await agent.run({ prompts: ['a'] }, { budget })).output;
}

describe('a script in the place of a configured model', () => {
  test('is the configured model to the policies', async () => {
    expect(await scripted('m-1')).toMatchObject([{ text: 'by the script', maker: { provider: 'scripted' } }]);
    expect(await scripted('m-2')).toMatchObject([{ code: 'CORRAL_DENIED' }]);
  });

  test('is the configured model to the purse', async () => {
    // The most that it may cost is a unit of money for each token: the fifty of an answer, and the bytes of the prompt.
    expect(await scripted('m-1', { tokens: 1_000 })).toMatchObject([{ text: 'by the script' }]);
    expect(await scripted('m-1', { money_micros: 20_000_000 })).toMatchObject([{ code: 'CORRAL_BUDGET_EXCEEDED' }]);
  });
});
