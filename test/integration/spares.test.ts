/** Isolates that a host makes in advance: who gets them, what they share, and when they go. */
import { describe, expect, test } from 'vitest';
import { FrameKind, FrameReader, type FrameHead } from '@corral/protocol/wire/frame';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { CellLauncher, CellProcess, CellProcessEvents } from '@corral/protocol/ports/machine';
import { findWalls, ProcessLauncher } from '@corral/supervisor';
import { until } from '../until.ts';
import { gate, park, readingTool, tool, world, type World, type WorldOptions } from '../world.ts';

type Seen = Pick<FrameHead, 'kind' | 'assignment' | 'cpu_us' | 'heap_kib'> & { readonly cell: number };

/** Launches real cells, and notes the frames to and from them. */
class Tapped implements CellLauncher {
  readonly #real = new ProcessLauncher(findWalls());
  readonly frames: Seen[] = [];
  #cells = 0;

  launch(events: CellProcessEvents): CellProcess {
    const number = (this.#cells += 1);
    const all = Object.fromEntries(Object.values(FrameKind).map((kind) => [kind, 64 * 1024 * 1024]));
    const [sent, answers] = [new FrameReader({ accept: all }), new FrameReader({ accept: all })];
    const note = ({ kind, assignment, cpu_us, heap_kib }: FrameHead) =>
      this.frames.push({ cell: number, kind, assignment, cpu_us, heap_kib });
    const cell = this.#real.launch({
      ...events,
      onBytes: (bytes) => {
        answers.push(bytes, note);
        events.onBytes(bytes);
      },
    });
    const write = cell.write.bind(cell);
    cell.write = (bytes) => {
      sent.push(bytes, note);
      write(bytes);
    };
    return cell;
  }

  of(kind: FrameKind): Seen[] {
    return this.frames.filter((frame) => frame.kind === kind);
  }
  /** Whether the last isolate that was given to a run had been made in advance. */
  get lastWasReady(): boolean {
    const start = this.of(FrameKind.start).at(-1);
    return this.of(FrameKind.spared).some(
      ({ cell, assignment, heap_kib }) => cell === start?.cell && assignment === start.assignment && heap_kib > 0,
    );
  }
}

const CELLS = { cellsPerTenant: 1 };

async function tapped(tools: Parameters<typeof world>[0] = [], options: WorldOptions = {}) {
  const launcher = new Tapped();
  return { launcher, w: await world(tools, { ...CELLS, ...options, launcher }) };
}

const DRAWS = `{ name: 'a', uses: { look: 'tool:look' }, async run({ caps, input, sleep }) {
  const before = [Date.now(), Math.random(), crypto.randomUUID()]; await caps.look({ input }); await sleep(1); return [...before, Math.random()] } }`;
const look = () => readingTool('look', () => ({ seen: 1 }));

/** Two runs of a version, after which the host expects more. */
async function twice(w: World, version: AgentVersion, tenant = 'crew') {
  for (let i = 0; i < 2; i++) expect(await (await w.submit(version, i, { tenant })).ended).toMatchObject({ kind: 'completed' });
}
const made = (launcher: Tapped, n = 1) => until(() => launcher.of(FrameKind.spared).length >= n, `${n} isolates were made in advance`);

async function replayed(w: World, run: Awaited<ReturnType<World['submit']>>['id'], version: AgentVersion) {
  const record = (await w.store.run(run))?.record as never;
  const bundle = { digest: version.bundle, source: (await w.store.bundle(version.bundle)) ?? '' };
  return (await w.supervisor.trial({ record, entries: await w.store.journal(run), bundle })).difference;
}

describe('an isolate that is made in advance', () => {
  test('comes to the third run of a bundle and to those after it; each has ids of its own, and replays without one', async () => {
    const { launcher, w } = await tapped([look()]);
    const version = await w.deploy(DRAWS);
    await twice(w, version);
    expect(launcher.lastWasReady).toBe(false);
    const outputs = new Set<string>();
    for (let n = 1; n <= 3; n++) {
      await made(launcher, n);
      const { id, ended } = await w.submit(version, n);
      outputs.add(JSON.stringify(await ended));
      expect(launcher.lastWasReady).toBe(true);
      expect(await replayed(w, id, version)).toBeUndefined();
    }
    expect(outputs.size).toBe(3);
  });

  test(
    'serves a run that comes back from the store, which replays in it, and one that goes on after a checkpoint',
    { tags: 'long' },
    async () => {
      const door = gate();
      const { launcher, w } = await tapped([look(), tool('wait', () => door.opened)]);
      // A tenant keeps its cells while a run of it is in memory.
      const holds = await w.submit(await w.deploy(`{ name: 'b', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}) }`));
      const version = await w.deploy(`{ name: 'a', async run({ input, state, sleep, checkpoint }) {
      if (state !== undefined) return [state, Math.random()];
      if (input === 'sleeps') await sleep(1000);
      if (input === 'checkpoint') await checkpoint(7);
      return Math.random() } }`);
      await twice(w, version);
      await made(launcher);
      const { id, ended } = await w.submit(version, 'sleeps');
      await w.until(id, (view) => view?.waiting === 'timer');
      await made(launcher, 2);
      await park(w, id);
      expect(await ended).toMatchObject({ kind: 'completed' });
      expect(launcher.lastWasReady).toBe(true);
      expect(launcher.of(FrameKind.replayed).length).toBe(1);
      await made(launcher, 3);
      const second = await w.submit(version, 'checkpoint');
      expect(await second.ended).toMatchObject({ kind: 'completed', output: [7, expect.any(Number)] });
      expect(await replayed(w, second.id, version)).toBeUndefined();
      door.open();
      await holds.ended;
    },
  );

  test('is billed to the run that gets it, as if that had loaded its bundle itself', async () => {
    const { launcher, w } = await tapped();
    const version = await w.deploy(`((() => { for (let i = 0; i < 2e7; i++); })(), { name: 'a', run: () => 1 })`);
    await twice(w, version);
    await made(launcher);
    const { id, ended } = await w.submit(version);
    await ended;
    expect(launcher.lastWasReady).toBe(true);
    const [spared] = launcher.of(FrameKind.spared);
    const [first] = await w.store.journal(id);
    expect(spared?.cpu_us).toBeGreaterThan(0);
    expect(first?.cpu_us).toBeGreaterThan(spared?.cpu_us ?? 0);
  });

  test('stays within its tenant, and is made for nobody where each run has a cell of its own', { tags: 'long' }, async () => {
    const { launcher, w } = await tapped([], {
      tenants: { crew: { tools: [] }, zoo: { tools: [] }, apart: { tools: [], isolation: () => 'run' as const } },
    });
    const source = `{ name: 'a', run: () => 1 }`;
    await twice(w, await w.deploy(source));
    await made(launcher);
    await (
      await w.submit(await w.deploy(source, 'zoo'), 1, { tenant: 'zoo' })
    ).ended;
    expect(launcher.lastWasReady).toBe(false);
    const apart = await w.deploy(source, 'apart');
    for (let i = 0; i < 2; i++) await twice(w, apart, 'apart');
    expect(new Set(launcher.of(FrameKind.spare).map(({ cell }) => cell)).size).toBe(1);
  });

  test('is not made of a bundle that asks for the time or for randomness while it loads, and runs of it share nothing', async () => {
    const { launcher, w } = await tapped();
    const version = await w.deploy(`((globalThis.own = crypto.randomUUID()), { name: 'a', run: () => globalThis.own })`);
    await twice(w, version);
    await made(launcher);
    expect(launcher.of(FrameKind.spared)[0]?.heap_kib).toBe(0);
    const outputs = new Set<string>();
    for (let i = 0; i < 3; i++) outputs.add(JSON.stringify(await (await w.submit(version)).ended));
    expect(outputs.size).toBe(3);
    expect(launcher.lastWasReady).toBe(false);
    expect(launcher.of(FrameKind.spare).length).toBe(1);
  });

  test('counts as memory and is the first to go where that is short', async () => {
    const { launcher, w } = await tapped([look()]);
    const version = await w.deploy(DRAWS);
    const short = await tapped([look()], { residency: { resident_mib: 0 } });
    await twice(w, version);
    await made(launcher);
    await short.w.deploy(DRAWS).then((other) => twice(short.w, other));
    await made(short.launcher);
    const [spare] = short.launcher.of(FrameKind.spare);
    await until(() => short.launcher.of(FrameKind.drop).some(({ assignment }) => assignment === spare?.assignment), 'it is given up');
    expect(launcher.of(FrameKind.drop).some(({ assignment }) => assignment === launcher.of(FrameKind.spare)[0]?.assignment)).toBe(false);
  });

  test('goes with its cell when another run in that is killed on the CPU, and the next run loads its bundle itself', async () => {
    const { launcher, w } = await tapped();
    const version = await w.deploy(`{ name: 'a', run: () => 1 }`);
    const spins = await w.deploy(`{ name: 'b', ceilings: { crank_cpu_ms: 10000 }, run: () => { for (;;); } }`);
    await twice(w, version);
    await made(launcher);
    const { id } = await w.submit(spins);
    await w.until(id, (view) => view?.on_cpu === true);
    await w.supervisor.control.kill(id, 'test', 'it spins');
    expect(await (await w.submit(version)).ended).toEqual({ kind: 'completed', output: 1 });
    expect(launcher.lastWasReady).toBe(false);
  });
});
