/**
 * Measures conversations: a run that asks a model 100 times, each time with all that was said before, about 200,000 tokens (800 KB of
 * text). The bytes that this stores are held against its unique text, which is the least that must be kept; bringing it back against the
 * same cranks in one isolate; the longest turn of the host's loop against that of a run that asks with a short prompt.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { CachedScript } from '@corral/cell/image';
import { replay } from '@corral/cell/replay';
import { Session } from '@corral/cell/session';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { inlineTool } from '@corral/tools/define';
import { modelTool } from '@corral/tools/models/model';
import { answerWith } from '@corral/tools/models/scripted';
import { builtImage } from '../image.ts';
import { round, type Figure } from './measure.ts';
import { turnsUntil } from './turns.ts';
import { benchWorld, OBSERVE, type BenchWorld } from './world.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const TENANT = 'bench' as TenantId;
const CALLS = Number(process.env['CALLS'] ?? 100);
const PROMPT = 800_000;

/** How a conversation begins, and what each further call does to it. Texts are words drawn by the run's own generator. */
interface Conversation {
  readonly begins: string;
  readonly goes: string;
}
const add = `prompt.push(user(text(800)));`;
const CONVERSATIONS: Readonly<Record<string, Conversation>> = {
  'many messages': { begins: `Array.from({ length: ${PROMPT / 800} }, () => user(text(800)))`, goes: add },
  'long messages': { begins: `Array.from({ length: 20 }, () => user(text(${PROMPT / 20})))`, goes: add },
  'one text': { begins: `[user(text(${PROMPT}))]`, goes: add },
  'from nothing': { begins: '[]', goes: `prompt.push(user(text(${PROMPT / CALLS})));` },
  'oldest dropped': { begins: `Array.from({ length: ${PROMPT / 800} }, () => user(text(800)))`, goes: `${add} prompt.splice(1, 2);` },
  'one edited': {
    begins: `Array.from({ length: ${PROMPT / 800} }, () => user(text(800)))`,
    goes: `${add} prompt[Math.floor(Math.random() * prompt.length)] = user(text(800));`,
  },
};

/** The agent tells the length of all text that it has made, in characters of ASCII, so bytes. */
const agentOf = ({ begins, goes }: Conversation, policed: boolean) => `{
  name: 'talks', uses: { model: 'model:default', mark: 'tool:mark', mail: 'tool:mail' },
  budget: { tokens: 1e12, bytes: 1e9, cpu_ms: 600_000 },
  async run({ caps, input, signal, sleep }) {
    const { calls, short } = input as { calls: number; short: boolean };
    let made = 0;
    const text = (length: number): string => {
      let all = '';
      // Words as those of a language are, one in twenty with digits.
      while (all.length < length) {
        const drawn = Math.random();
        const word = Math.floor(drawn * 1e9).toString(36);
        all += (drawn < 0.05 ? word : word.replace(/[0-9]/g, '')) + ' ';
      }
      made += length;
      return all.slice(0, length);
    };
    const user = (words: string) => ({ role: 'user', content: [{ type: 'text', text: words }] });
    if (${policed}) await caps.mail({});
    const prompt: unknown[] = short ? [] : ${begins};
    for (let i = 0; i < calls; i++) {
      if (short) prompt.push(user(text(80)));
      else { ${goes} }
      const answer = await (caps.model as any)({ prompt });
      made += answer.text.length;
      prompt.push({ role: 'assistant', content: answer.content });
    }
    await caps.mark({ n: made });
    void sleep(1e9).catch(() => undefined);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await caps.mark({ n: -1 });
  } }`;

const READS = { readOnly: true, idempotent: true, destructive: false, openWorld: false, repeatable: false } as const;

interface Heard {
  made: number;
  at: number;
}

function toolsFor(heard: Heard): readonly Tool[] {
  const mark = inlineTool({
    name: 'mark',
    description: '',
    input: z.object({ n: z.number() }),
    output: z.object({}),
    annotations: { ...READS, returns: 'trusted' },
    run: ({ n }) => {
      if (n === -1) heard.at = performance.now();
      else heard.made = n;
      return {};
    },
  });
  const mail = inlineTool({
    name: 'mail',
    description: 'reads mail',
    input: z.object({}),
    output: z.unknown(),
    annotations: { ...READS, returns: 'untrusted', private_to: 'owner' },
    run: () => Array.from({ length: 200 }, (_, i) => ({ from: `a${i}@example.org`, text: `words ${i * 7919} of a stranger`.repeat(8) })),
  });
  const model = modelTool(
    [
      {
        model: {
          maker: { provider: 'bench', model: 'bench' },
          ask: (request) => Promise.resolve(answerWith(`I have read ${request.prompt.length} messages. ${'Indeed. '.repeat(20)}`, 1, 1)),
        },
        bounds: { max_output_tokens: 1_000 },
        prices: () => 0,
      },
    ],
    { name: 'default' },
  );
  return [mark, mail, model];
}

function policiesFor(tools: readonly Tool[]): PolicyInForce {
  const targets = tools.map(({ name, annotations, input }) =>
    name.startsWith('model:')
      ? { kind: 'model' as const, name: name.slice('model:'.length), annotations, input: input.schema }
      : { kind: 'tool' as const, name, annotations, input: input.schema },
  );
  const text =
    'permit (principal, action, resource); forbid (principal, action in Action::"call", resource) when { context.flow.outside_effect };';
  return PolicyInForce.load({
    engine: cedar,
    catalog: catalog({ targets }),
    sources: [{ file: 'bench.cedar', text }],
    digest: (of) => `sha256:${createHash('sha256').update(of).digest('hex')}`,
  });
}

const LONG = {
  ceilings: { crank_cpu_ms: 10_000, memory_mib: 512, message_bytes: 4 * MIB, journal_bytes: 4096 * MIB, wall_ms: 86_400_000 },
} as const;

interface Stored {
  /** Bytes of the database, what is in its write-ahead log included. */
  readonly size: number;
  readonly entries: number;
  readonly payloads: number;
  readonly refs: number;
}

function stored(world: BenchWorld): Stored {
  const db = new DatabaseSync(join(world.folder, 'data', 'corral.db'), { readOnly: true });
  const value = (sql: string) => Object.values(db.prepare(sql).get() as Record<string, number>)[0] as number;
  try {
    return {
      size: value('PRAGMA page_count') * value('PRAGMA page_size'),
      entries: value('SELECT coalesce(sum(length(body)), 0) FROM journal'),
      payloads: value('SELECT coalesce(sum(length(data)), 0) FROM blobs'),
      refs: value('SELECT count(*) FROM refs'),
    };
  } finally {
    db.close();
  }
}

async function until(test: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function parked(world: BenchWorld, id: RunId): Promise<void> {
  for (;;) {
    if ((await world.store.run(id))?.parked === true) return;
    await world.supervisor.park();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Seconds for the run's cranks in one isolate that stands alone, and bytes of its deliveries and effects. */
async function floorOf(world: BenchWorld, id: RunId): Promise<{ readonly seconds: number; readonly text: number }> {
  const image = builtImage();
  const { record } = (await world.store.run(id)) as NonNullable<Awaited<ReturnType<BenchWorld['store']['run']>>>;
  const journal = [];
  for (let after = 0; ;) {
    const some = await world.store.journal(id, after, 20);
    journal.push(...some);
    if (some.length === 0) break;
    after = some.at(-1)?.seq ?? 0;
  }
  const cranks = journal.flatMap(({ seq, delivery, effects }) =>
    delivery === undefined || effects === undefined ? [] : [{ crank: seq, delivery, effects, cpu_us: 0 }],
  );
  const began = performance.now();
  const { ceilings, header } = record;
  const session = new Session({
    image,
    bundle: new CachedScript((await world.store.bundle(record.bundle)) as string, 'agent.js'),
    memory_mib: ceilings.memory_mib,
    load_cpu_us: 0,
    config: {
      agent: record.agent,
      at: record.created_at,
      seed: header.seed,
      message_bytes: ceilings.message_bytes,
      log_bytes: ceilings.log_bytes,
      effects_per_crank: 10_000,
      effects_bytes: 4 * MIB,
      temporal: false,
      image: 'base',
    },
  });
  replay(session, { cranks }, 0);
  session.dispose();
  return {
    seconds: (performance.now() - began) / 1000,
    text: cranks.reduce((sum, one) => sum + one.delivery.length + one.effects.length, 0),
  };
}

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function one(name: string, conversation: Conversation, policed: boolean): Promise<Figure[]> {
  const heard: Heard = { made: 0, at: 0 };
  const tools = toolsFor(heard);
  const world = await benchWorld(tools, {
    tenants: { [TENANT]: policed ? { tools, policies: { current: policiesFor(tools) } } : { tools, loops: { ladder: OBSERVE } } },
  });
  const version = await world.deploy(agentOf(conversation, policed));
  const begin = async (calls: number, short: boolean) => {
    heard.made = 0;
    const run = await world.submit(version, { calls, short }, LONG);
    let ended: string | undefined;
    void (async () => {
      ended = JSON.stringify(await run.ended).slice(0, 400);
    })();
    const done = until(() => heard.made > 0 || ended !== undefined);
    return { run, done, ended: () => ended };
  };
  const warm = await begin(CALLS, true);
  const floor = await turnsUntil(warm.done);
  if (warm.ended() !== undefined) throw new Error(`${name}: ${warm.ended()}`);
  await parked(world, warm.run.id);
  const before = stored(world);
  const [began, cpu] = [performance.now(), cpuSeconds()];
  const { run, done, ended } = await begin(CALLS, false);
  const { longest } = await turnsUntil(done);
  const seconds = (performance.now() - began) / 1000;
  const spent = cpuSeconds() - cpu;
  const label = `prompts: ${name}${policed ? ', policed' : ''}`;
  if (ended() !== undefined) {
    await world.close();
    throw new Error(`${label}: ${ended()}`);
  }
  const unique = heard.made;
  await parked(world, run.id);
  const after = stored(world);
  const figures: Figure[] = [];
  const figure = (what: string, unit: string, value: number, least: number, note: string) =>
    figures.push({
      name: `${label}: ${what}`,
      unit,
      figure: { value: round(value) },
      floor: { value: round(least) },
      ratio: round(value / least),
      passes: 1,
      note,
    });
  heard.at = 0;
  const cpuBack = cpuSeconds();
  const woken = performance.now();
  void world.supervisor.control.cancel(run.id, 'bench', 'bench', 60_000);
  await until(() => heard.at > 0 || ended() !== undefined);
  if (heard.at === 0) throw new Error(`${label}: ${ended()}`);
  const resumed = (heard.at - woken) / 1000;
  const cpuResumed = cpuSeconds() - cpuBack;
  const alone = await floorOf(world, run.id);
  await run.ended;
  const cells = (await world.store.journal(run.id, 0, 1_000)).reduce((sum, { cpu_us }) => sum + cpu_us, 0) / 1e6;
  const grown = (what: keyof Stored, unit = 1e6) => round((after[what] - before[what]) / unit);
  figure(
    'stored',
    'MB',
    (after.size - before.size) / 1e6,
    unique / 1e6,
    `growth of the database: ${grown('entries')} MB of entries, ${grown('payloads')} MB of payloads, ${grown('refs', 1)} references; floor: the unique text; deliveries and effects together have ${round(alone.text / 1e6)} MB`,
  );
  figure(
    'longest turn',
    'ms',
    longest,
    floor.longest,
    'CPU time of the longest turn of the host’s loop; floor: the same run with short prompts',
  );
  figure(
    'run',
    's',
    seconds,
    alone.seconds,
    `${CALLS} calls; ${round(spent)} s of CPU of the host, ${round(cells)} s of the cell; floor: the same cranks in one isolate`,
  );
  figure(
    'resume',
    's',
    resumed,
    alone.seconds,
    `request → the host hears from the parked agent; ${round(cpuResumed)} s of CPU of the host; floor: as above`,
  );
  await world.close();
  return figures;
}

export async function prompts(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const wanted = process.env['PROMPTS'];
  for (const [name, conversation] of Object.entries(CONVERSATIONS)) {
    if (wanted !== undefined && !name.includes(wanted)) continue;
    for (const policed of process.env['POLICED'] === undefined ? [false, true] : [process.env['POLICED'] === '1'])
      figures.push(...(await one(name, conversation, policed)));
  }
  return figures;
}
