/**
 * Measures how long one crank holds up its host: CPU time of the loop's thread in one turn of the event loop, while a guest does what once
 * stopped hosts for seconds. The floor is the longest turn of an honest run on the same host.
 */
import { createHash } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import * as z from 'zod';
import { catalog } from '@corral/policy/cedar/catalog';
import { PolicyInForce } from '@corral/policy/cedar/in-force';
import { encodeFrame, FrameKind, FrameReader } from '@corral/protocol/wire/frame';
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE as LIMITS } from '@corral/protocol/limits';
import type { CellLauncher, CellProcess, CellProcessEvents } from '@corral/protocol/ports/machine';
import type { Tool } from '@corral/protocol/ports/tool';
import { findWalls, ProcessLauncher, type TenantOptions } from '@corral/supervisor';
import { inlineTool } from '@corral/tools/define';
import type { Figure } from './measure.ts';
import { benchWorld } from './world.ts';

const MIB = 1024 * 1024;
const TENANT = 'bench' as TenantId;
const ROOM = { ceilings: { crank_cpu_ms: 10_000, memory_mib: 512, in_flight: 4_096 } } as const;
const READS = { readOnly: true, idempotent: true, destructive: false, openWorld: false, repeatable: false } as const;

const nested = (levels: number, inside: unknown): unknown => (levels === 0 ? inside : [nested(levels - 1, inside)]);
const tools: readonly Tool[] = [
  inlineTool({
    name: 'nested',
    description: 'returns nested arrays',
    input: z.object({}),
    output: z.unknown(),
    annotations: { ...READS, returns: 'untrusted' },
    run: () => nested(14, 'x'.repeat(200_000)),
  }),
  inlineTool({
    name: 'fs.read',
    description: 'reads a file',
    input: z.object({ path: z.string() }),
    output: z.object({ text: z.string() }),
    annotations: { ...READS, returns: 'trusted' },
    run: () => ({ text: '' }),
  }),
  inlineTool({
    name: 'put',
    description: 'keeps something',
    input: z.object({ data: z.unknown() }),
    output: z.object({}),
    annotations: { ...READS, readOnly: false, returns: 'untrusted' },
    run: () => ({}),
  }),
];

/** Texts of effects that no SDK makes; a cell that was taken over sends them in place of an emit of this name. */
const RAW: Readonly<Partial<Record<string, () => string>>> = {
  'distinct keys': () => `[{"kind":"emit","event":"x","data":{${Array.from({ length: 300_000 }, (_, i) => `"k${i}":${i}`).join(',')}}}]`,
  'empty arrays': () => `[{"kind":"emit","event":"x","data":[${'[],'.repeat(1.4 * MIB)}0]}]`,
  'small numbers': () => `[{"kind":"emit","event":"x","data":[${'1,'.repeat(2 * MIB)}0]}]`,
  'wide effects': () =>
    `[${Array.from({ length: 16 }, (_, n) => `{"kind":"emit","event":"x","data":{${Array.from({ length: 22_000 }, (_, i) => `"${n}k${i}":1`).join(',')}}}`).join(',')}]`,
};

/** Made beforehand, since making them takes the time of the thread that is measured. */
const texts = new Map<string, string>();

/** Launches real cells that send one of these texts where their run emits its name. */
class TakenOver implements CellLauncher {
  readonly #real = new ProcessLauncher(findWalls());

  launch(events: CellProcessEvents): CellProcess {
    const { ready, cranked, replayed, fault, described } = FrameKind;
    const accept = Object.fromEntries([ready, cranked, replayed, fault, described].map((kind) => [kind, LIMITS.frame_bytes.max]));
    const reader = new FrameReader({ accept });
    const onBytes = (bytes: Buffer) =>
      reader.push(bytes, ({ payload, ...head }) => {
        const name = head.kind === cranked ? /"event":"raw:([a-z ]+)"/.exec(payload)?.[1] : undefined;
        events.onBytes(encodeFrame(head, texts.get(name ?? '') ?? payload));
      });
    return this.#real.launch({ ...events, onBytes });
  }
}

const raw = (name: string) => `{ name: 'raw', async run({ emit }) { emit('raw:${name}'); await new Promise(() => undefined); } }`;
const GUESTS: Readonly<Record<string, string>> = {
  honest: `{ name: 'honest', uses: { read: 'tool:fs.read' }, async run({ caps }) { for (let i = 0; i < 50; i++) await caps.read({ path: 'a/' + i }); } }`,
  'honest text': `{ name: 'text', uses: { put: 'tool:put' }, async run({ caps, emit }) {
    const words = Array.from({ length: 40_000 }, (_, i) => 'w' + i * 7919).join(' ').slice(0, 250_000);
    for (let i = 0; i < 8; i++) emit('page', words + i);
    await Promise.all(Array.from({ length: 8 }, (_, i) => caps.put({ data: words.slice(0, 240_000) + i })));
  } }`,
  'open parts': `{ name: 'opens', uses: { nested: 'tool:nested' }, async run({ caps, open }) {
    const whole = await caps.nested.handle({});
    const parts = [];
    for (let n = 0; n < 9_900; n++) {
      let part = whole;
      for (let level = 0; level < 14; level++) part = part.part((n >> level) & 1 ? '0' : 0);
      parts.push(open(part).then(() => 1, (error) => error.code));
    }
    await Promise.all(parts);
  } }`,
  'under chain': `{ name: 'under', uses: { read: 'tool:fs.read' }, async run({ caps, mailbox, messages }) {
    let cap = caps.read;
    for (let i = 0; i < 60; i++) {
      await mailbox.send('', { caps: { read: cap.attenuate({ where: { path: { under: i === 0 ? 'b' : 'a' } } }) } });
      cap = (await messages.next()).caps.read;
    }
    const path = 'a/'.repeat(2_000);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => cap({ path: path + i }).catch((error) => error.code)));
  } }`,
  '4,000 leaves': `{ name: 'leaves', uses: { put: 'tool:put', nested: 'tool:nested' }, async run({ caps, open }) {
    await caps.nested({});
    const data = (n) => Array.from({ length: 4_000 }, (_, i) => 'word' + n + 'x' + i + ' and ' + i * 31);
    await Promise.all(Array.from({ length: 12 }, (_, n) => caps.put({ data: data(n) }).catch((error) => error.code)));
  } }`,
  '9,990 calls': `{ name: 'calls', uses: { read: 'tool:fs.read' }, async run({ caps }) {
    await Promise.all(Array.from({ length: 9_990 }, (_, i) => caps.read({ path: 'a/' + i }).catch((error) => error.code)));
  } }`,
  '9,990 invalid calls': `{ name: 'invalid', uses: { read: 'tool:fs.read' }, async run({ caps }) {
    const path = Array.from({ length: 80 }, (_, i) => ({ i }));
    await Promise.all(Array.from({ length: 9_990 }, () => caps.read({ path }).catch((error) => error.code)));
  } }`,
  '9,990 emits': `{ name: 'emits', async run({ emit }) { for (let i = 0; i < 9_990; i++) emit('drop', { i, text: 'x'.repeat(300) }); } }`,
};

function tenants(policed: boolean): Record<string, TenantOptions> {
  if (!policed) return { [TENANT]: { tools } };
  const targets = tools.map(({ name, annotations, input }) => ({ kind: 'tool' as const, name, annotations, input: input.schema }));
  // Looks at where each argument came from, and asks nobody.
  const text =
    'permit (principal, action, resource); forbid (principal, action in Action::"call", resource) when { context.flow.carries_private };';
  const current = PolicyInForce.load({
    engine: cedar,
    catalog: catalog({ targets }),
    sources: [{ file: 'bench.cedar', text }],
    digest: (of) => `sha256:${createHash('sha256').update(of).digest('hex')}`,
  });
  return { [TENANT]: { tools, policies: { current } } };
}

/** CPU time of this thread, in milliseconds: in the longest turn of the loop until `ended`, and in all. */
export async function turnsUntil(ended: Promise<unknown>): Promise<{ longest: number; total: number }> {
  let over = false;
  let longest = 0;
  let total = 0;
  const now = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  void ended.finally(() => (over = true));
  for (let last = now(); !over;) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const at = now();
    longest = Math.max(longest, at - last);
    total += at - last;
    last = at;
  }
  return { longest, total };
}

const round = (ms: number) => Math.round(ms * 10) / 10;

export async function turns(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const names = [...Object.keys(GUESTS), ...Object.keys(RAW)].filter(
    (name) => process.env['GUEST'] === undefined || name === process.env['GUEST'],
  );
  for (const name of names) {
    const world = await benchWorld(tools, { launcher: new TakenOver(), tenants: tenants(/leaves|text/.test(name)) });
    const warm = await world.deploy(GUESTS['honest'] as string);
    for (let i = 0; i < 5; i++) await (await world.submit(warm)).ended;
    const floor = await turnsUntil((await world.submit(warm)).ended);
    const version = await world.deploy(GUESTS[name] ?? raw(name));
    const make = RAW[name];
    if (make !== undefined) texts.set(name, make());
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    const { ended } = await world.submit(
      version,
      {},
      { ...ROOM, budget: { bytes: name === 'open parts' ? 400_000 : 1024 * MIB, calls: 100_000 } },
    );
    const { longest, total } = await turnsUntil(ended);
    delay.disable();
    const outcome = await ended;
    await world.close();
    figures.push({
      name: `turns: ${name}`,
      unit: 'ms',
      figure: { value: round(longest) },
      floor: { value: round(floor.longest) },
      ratio: round(longest / floor.longest),
      passes: 1,
      note: `CPU time of the longest turn of the loop; ${round(total)} ms in all; longest delay ${round(delay.max / 1e6)} ms; ${round(performance.now() - began)} ms in all; ${outcome.kind}${'limit' in outcome ? `(${outcome.limit})` : 'code' in outcome ? `(${outcome.code})` : ''}`,
    });
  }
  return figures;
}
