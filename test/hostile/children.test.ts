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
});
