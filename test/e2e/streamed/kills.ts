/**
 * Kills hosts and cells while an agent of the AI SDK is in the middle of a stream or of a tool, and counts what came of it: what its follower
 * was told, what the model and the tool were asked again, and what was billed.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allItems, type Client } from '@corral/protocol/api/client';
import type { RunEvent } from '@corral/protocol/api/run-events';
import type { RunId } from '@corral/protocol/ids';
import { CORRAL, start } from '../../command.ts';
import { shortFolder } from '../../front.ts';
import { modelServer } from '../../model-server.ts';
import { realTime, until } from '../../until.ts';
import { haveEnded, Host, isCell } from '../killable.ts';

const AGENT = fileURLToPath(new URL('../../agents/frameworks/resumes.ts', import.meta.url));
const ORDERS = 2;
const PIECES = 40;
const PIECE_MS = 10;
const RETRY_MS = 20;
const USAGE = { prompt_tokens: 100, completion_tokens: 20 };
const ANSWER = Array.from({ length: PIECES }, (_, i) => `word-${i} `).join('');

const WHEN = ['mid-stream', 'mid-tool'] as const;
const WHOM = ['host', 'cell'] as const;

async function* slowly(): AsyncGenerator<string> {
  for (let i = 0; i < PIECES; i++) {
    await realTime(PIECE_MS, 'a model that speaks word by word');
    yield `word-${i} `;
  }
}

/** Asks for the orders, one after the other, and then answers in many pieces. */
const serving = () =>
  modelServer({
    usage: USAGE,
    reply: ({ body }) => {
      const known = body.messages.filter(({ role }) => role === 'tool').length;
      return known < ORDERS ? { calls: [{ name: 'look', arguments: `{"id":"order-${known}"}` }] } : { pieces: slowly() };
    },
  });

const configOf = (url: string, log: string) => `import { appendFileSync } from 'node:fs';
import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const noted = (line) => appendFileSync(${JSON.stringify(log)}, line + '\\n');
export default defineConfig({
  policies: 'none',
  tenants: { local: { loops: false } },
  models: { default: { provider: 'openai-compatible', base_url: ${JSON.stringify(url)}, model: 'm', price: { input: 1, output: 1 }, max_output_tokens: 500 } },
  tools: [tool({ name: 'orders.get', description: 'an order', input: z.object({ id: z.string() }), output: z.object({ state: z.string() }),
    annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' },
    run: async ({ id }) => { noted('begin ' + id); await new Promise((r) => setTimeout(r, 150)); noted('end ' + id); return { state: 'sent' }; } })],
});`;

/** Follows a run to its end, over as many connections as that takes. */
async function followed(client: Client, run: RunId, told: RunEvent[]): Promise<void> {
  for (;;) {
    try {
      for await (const event of client.followRun(run, { last: told.at(-1)?.id })) {
        told.push(event);
        if (event.kind === 'ended') return;
      }
    } catch {
      // The host is gone, or takes up its runs.
    }
    await realTime(RETRY_MS, 'a follower whose host is gone');
  }
}

export interface Account {
  /** Hosts and cells that were there to be killed. */
  readonly kills: number;
  /** Each thing that is not as it has to be, in words. */
  readonly faults: string[];
  /** Streams that were lost in the middle and asked for once more by the agent. */
  readonly lost: number;
}

/** @param rounds runs, in each of which a host or its cells are killed */
export async function killInStreams(rounds: number): Promise<Account> {
  const folder = await shortFolder();
  const server = await serving();
  const log = join(folder, 'orders.log');
  const config = join(folder, 'corral.config.ts');
  await writeFile(log, '');
  await writeFile(config, configOf(server.url, log));
  const host = new Host(join(folder, 'd'), config);
  await host.start();
  const deployed = await start([...CORRAL, 'deploy', AGENT, '--data', join(folder, 'd')]).said;
  if (deployed.code !== 0) throw new Error(deployed.err);
  const faults: string[] = [];
  let [kills, lost] = [0, 0];
  for (let n = 0; n < rounds; n++) {
    const when = WHEN[n % 2] ?? 'mid-stream';
    const whom = WHOM[Math.floor(n / 2) % 2] ?? 'host';
    const seen = await lines(log);
    const { run } = await host.client.submitRun({ body: { agent: 'resumes', input: { question: `question ${n}` } } });
    const told: RunEvent[] = [];
    const following = followed(host.client, run, told);
    await until(async () => {
      if (when === 'mid-stream') return textOf(told).length > 20 + (n % 7) * 30;
      const begun = (await lines(log)).slice(seen.length);
      return begun.length % 2 === 1 && begun.length >= (n % 3 === 0 ? 1 : 3);
    }, `round ${n} is ${when}`);
    const started = host.processes();
    if (whom === 'host' ? await host.killed() : host.kill(isCell)) kills += 1;
    else faults.push(`round ${n}: there was no ${whom} to kill`);
    if (whom === 'host') await until(() => haveEnded(started), `what the host of round ${n} had started has ended`);
    await following;
    const found = await accountOf(host.client, run, told, (await lines(log)).slice(seen.length), when);
    lost += found.lost;
    faults.push(...found.faults.map((fault) => `round ${n} (${whom} ${when}, ${run}): ${fault}`));
  }
  const started = host.processes();
  const code = await host.end();
  if (code !== 0) faults.push(`the host ended with ${code}`);
  await until(() => haveEnded(started), 'what the host had started has ended');
  return { kills, faults, lost };
}

const lines = async (file: string) => (await readFile(file, 'utf8')).split('\n').slice(0, -1);

type Chunk = Extract<RunEvent, { kind: 'chunk' }>;
const chunksOf = (told: readonly RunEvent[]) => told.filter((event): event is Chunk => event.kind === 'chunk');
const deltasOf = (chunks: readonly Chunk[]) =>
  chunks.flatMap(({ parts }) =>
    (parts as { type: string; delta?: string }[]).flatMap(({ type, delta }) => (type === 'text-delta' ? [delta] : [])),
  );
const textOf = (told: readonly RunEvent[]) => deltasOf(chunksOf(told)).join('');

async function accountOf(client: Client, run: RunId, told: readonly RunEvent[], orders: readonly string[], when: (typeof WHEN)[number]) {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string) => void (holds || faults.push(fault));
  const shown = await client.showRun({ params: { run } });
  const outcome = shown.outcome as { readonly kind: string; readonly output?: { readonly text: string; readonly lost: number } } | null;
  expect(outcome?.kind === 'completed', `it ended as ${JSON.stringify(outcome)}`);
  expect(outcome?.output?.text === ANSWER, `its answer is ${JSON.stringify(outcome?.output)}`);

  // The follower was told what the journal has, once, in order.
  const again: RunEvent[] = [];
  await followed(client, run, again);
  expect(
    JSON.stringify(told) === JSON.stringify(again),
    `its follower was told ${told.length} events, and the journal has ${again.length}`,
  );
  const next = new Map<number, number>();
  for (const { call, offset, parts } of chunksOf(told)) {
    expect(offset === (next.get(call) ?? 0), `the stream of call ${call} goes on at ${offset} after ${next.get(call) ?? 0} parts`);
    next.set(call, offset + parts.length);
  }

  const calls = await allItems((at) => client.runCalls({ params: { run }, query: at }));
  const done = calls.filter(({ state }) => state === 'done');
  const inputs = done.map(({ tool, input }) => `${tool} ${JSON.stringify(input)}`);
  expect(new Set(inputs).size === inputs.length, 'a finished call was made again');
  expect(done.length === ORDERS * 2 + 1, `${done.length} calls were finished`);
  for (const { call, tool } of done.filter((one) => one.tool === 'model:default').slice(-1)) {
    const text = deltasOf(chunksOf(told).filter((one) => one.call === call)).join('');
    expect(text === ANSWER, `the follower was told ${JSON.stringify(text)} of the last answer of ${tool}`);
  }
  for (let i = 0; i < ORDERS; i++) {
    const begun = orders.filter((line) => line === `begin order-${i}`).length;
    expect(begun >= 1 && begun <= (when === 'mid-tool' ? 2 : 1), `order-${i} was looked up ${begun} times`);
  }

  // Billed are the finished calls as the model counted them, and those that were lost as they were reserved; each once.
  const billed = calls.reduce((sum, { cost }) => sum + cost.tokens, 0);
  expect(shown.tokens === billed, `${shown.tokens} tokens are billed, and its calls cost ${billed}`);
  const { prompt_tokens, completion_tokens } = USAGE;
  for (const { call, tool, cost } of done)
    if (tool === 'model:default')
      expect(cost.tokens === prompt_tokens + completion_tokens || cost.tokens > 500, `call ${call} is billed ${cost.tokens} tokens`);
  return { faults, lost: outcome?.output?.lost ?? 0 };
}
