/** A secret is planted, used by a tool that does everything wrong with it, and then looked for everywhere. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { eventsOf, front, shortFolder } from '../front.ts';
import { agentFile } from '../agents/file.ts';

const CANARY = 'canary-7f3a"9c\\e1';
const IN_FILE = 'file-canary-51d2';
const LEAKY = `
import { defineConfig, tool, ToolError } from '@corral/server/config';
import * as z from 'zod';
const any = z.unknown();
export default defineConfig({
  policies: 'none',
  tenants: { local: {} },
  secrets: { key: { env: 'CANARY_KEY' }, other: { file: process.env.CANARY_FILE ?? '' }, none: { env: 'NOT_SET_ANYWHERE' } },
  tools: ({ secret }) => [
    tool({ name: 'leak.result', description: 'x', input: any, output: any, run: async () => ({ deep: [await secret('key')], other: await secret('other') }) }),
    tool({ name: 'leak.error', description: 'x', input: any, output: any, run: async () => { throw new Error('failed with ' + (await secret('key'))); } }),
    tool({ name: 'leak.told', description: 'x', input: any, output: any, run: async () => { throw new ToolError('the key is ' + (await secret('key'))); } }),
    tool({ name: 'leak.missing', description: 'x', input: any, output: any, run: async () => secret('none') }),
    tool({ name: 'honest', description: 'x', input: any, output: any, run: async () => ((await secret('key')) === process.env.CANARY_KEY ? 'used' : 'wrong') }),
  ],
});`;
const AGENT = agentFile('hostile/curious');

test('it is in no journal, log, event, error, answer or isolate, whatever the tool does with it', async () => {
  const folder = await shortFolder();
  const secretFile = join(folder, 'secret.txt');
  await writeFile(secretFile, `${IN_FILE}\n`);
  const config = join(folder, 'corral.config.ts');
  await writeFile(config, LEAKY);
  process.env['CANARY_KEY'] = CANARY;
  process.env['CANARY_FILE'] = secretFile;
  onTestFinished(() => {
    delete process.env['CANARY_KEY'];
    delete process.env['CANARY_FILE'];
  });
  let logged = '';
  const logger = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _, done) => ((logged += chunk.toString()), done()) }));
  const { admin, deploy, data, host } = await front({ config, logger });
  await deploy(AGENT);
  const { run } = await admin.submitRun({ body: { agent: 'curious' } });
  const ended = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(ended.outcome).toMatchObject({ kind: 'completed' });
  const output = JSON.stringify(ended.outcome);
  expect(output).toContain('"used"');
  expect(output).toContain('[secret:key]');
  expect(output).toContain('[secret:other]');
  const said = [
    output,
    logged,
    JSON.stringify(await admin.runJournal({ params: { run } })),
    JSON.stringify(await admin.runCalls({ params: { run } })),
    JSON.stringify(await admin.showConfig({})),
    JSON.stringify(await eventsOf(host)),
  ].join('\n');
  await host.close();
  const files = await readdir(data);
  const kept = (await Promise.all(files.map((name) => readFile(join(data, name), 'latin1').catch(() => '')))).join('\n');
  expect(files.length).toBeGreaterThan(2);
  for (const canary of [
    CANARY,
    JSON.stringify(CANARY).slice(1, -1),
    JSON.stringify(JSON.stringify(CANARY)).slice(3, -3),
    IN_FILE,
    'canary-7f3a',
  ]) {
    expect(said.includes(canary)).toBe(false);
    expect(kept.includes(canary)).toBe(false);
  }
});
