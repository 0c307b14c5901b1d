/** What a run tries to gain by spawning. */
import { describe, expect, test } from 'vitest';
import { world } from '../world.ts';

describe('a child', () => {
  // A run held to 16 MiB and 50 ms spawned a child that asked for 1,024 MiB and 10 s, and it was given that.
  test('has no ceiling that its parent has not', async () => {
    const w = await world();
    const version = await w.deploy(`
      import { defineAgent } from '@corral/guest';
      const grand = defineAgent({ name: 'grand', async run() { return 1 } });
      const kid = defineAgent({ name: 'kid', spawns: { grand }, ceilings: { crank_cpu_ms: 10000, memory_mib: 1024, spawn_depth: 64 },
        async run({ spawn }) { return (await spawn(grand, {}, { budget: {} }).ended).kind } });
      export default defineAgent({ name: 'a', spawns: { kid }, async run({ spawn }) { return (await spawn(kid, {}, { budget: { children: 2 } }).ended).output } });`);
    const { id, ended } = await w.submit(version, {}, { ceilings: { crank_cpu_ms: 50, memory_mib: 16, spawn_depth: 1 } });
    // The grandchild would have been the second generation.
    expect(await ended).toEqual({ kind: 'completed', output: 'denied' });
    const [kid] = await w.store.runs({ parent: id });
    expect(kid?.record.ceilings).toMatchObject({ crank_cpu_ms: 50, memory_mib: 16, spawn_depth: 1 });
  });

  // The crank in which a child was stopped was in nobody's bill: a parent with 1 s of CPU time burnt as much as it liked by children.
  test.each([
    ['computes until it is stopped', 'for (;;) {}', 'exceeded'],
    [
      'kills its isolate after it has computed',
      'let x = 0; for (let i = 0; i < 5e7; i++) x += i; const all = []; for (;;) all.push(new Array(1e6).fill(x))',
      'exceeded',
    ],
  ])('that %s is paid for by its parent', async (_, body, kind) => {
    const w = await world();
    const version = await w.deploy(`
      import { defineAgent } from '@corral/guest';
      const kid = defineAgent({ name: 'kid', ceilings: { memory_mib: 32 }, async run() { ${body} } });
      export default defineAgent({ name: 'a', spawns: { kid }, async run({ spawn }) {
        const ends = [];
        for (let i = 0; i < 60; i++) ends.push(await spawn(kid, {}, { budget: { cpu_ms: 400 } }).ended);
        return ends.map((end) => [end.kind, end.spent.cpu_ms]);
      } });`);
    const outcome = await (await w.submit(version, {}, { budget: { cpu_ms: 1000 } })).ended;
    const ends = (outcome as unknown as { output: [string, number][] }).output;
    expect(ends[0]?.[0]).toBe(kind);
    expect(ends[0]?.[1]).toBeGreaterThan(0);
    expect(ends.at(-1)?.[0]).toBe('denied');
    expect(ends.reduce((sum, [, spent]) => sum + (spent ?? 0), 0)).toBeGreaterThan(500);
  });

  test('that is killed has what it used until then in its journal', async () => {
    const w = await world();
    const { id, ended } = await w.submit(await w.deploy(`{ name: 'a', ceilings: { crank_cpu_ms: 10000 }, async run() { for (;;) {} } }`));
    await w.until(id, (view) => view?.lifecycle === 'active');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await w.supervisor.control.kill(id, 'ana', 'enough');
    await ended;
    expect((await w.store.journal(id)).at(-1)?.cpu_us).toBeGreaterThan(10_000);
  });
});
