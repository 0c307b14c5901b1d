/** The kill of a family is proved only when every descendant's end is durable. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Commit } from '@corral/protocol/store';
import { gate, keepingBack, readingTool, world } from '../world.ts';

const FAMILY = `
import { defineAgent } from '@corral/guest';
const grandchild = defineAgent({ name: 'grandchild', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}) });
const child = defineAgent({ name: 'child', uses: { wait: 'tool:wait' }, spawns: { grandchild },
  async run({ input, caps, spawn }) { spawn(grandchild, {}, { caps: { wait: caps.wait } }); await caps.wait({}); } });
export default defineAgent({ name: 'parent', uses: { wait: 'tool:wait' }, spawns: { child },
  async run({ caps, spawn }) { spawn(child, {}, { caps: { wait: caps.wait }, budget: { children: 1 } }); await caps.wait({ of: 'parent' }); await caps.wait({ of: 'parent' }); } });`;

describe('the kill of a family', () => {
  test('gives its receipt only when a grandchild is dead whose own parent had ended before', async () => {
    const mayEnd = gate();
    onTestFinished(mayEnd.open);
    const child = gate();
    let grandchild: RunId | undefined;
    let isWritten = false;
    const isGrandchildsEnd = ({ entry, run }: Commit) => {
      if (run !== grandchild || entry.event?.kind !== 'ended') return false;
      isWritten = true;
      return true;
    };
    const never = new Promise(() => undefined);
    const wait = readingTool('wait', async (input, { run }) => {
      const { record } = (await w.store.run(run)) ?? {};
      if (record?.agent !== 'child') return never;
      await child.opened;
      return 'ok';
    });
    const w = await world([wait], { through: (store) => keepingBack(store, isGrandchildsEnd, mayEnd.opened) });
    const { store } = w;
    const { id } = await w.submit(await w.deploy(FAMILY));
    while ((await store.descendants(id)).length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const one of await store.descendants(id)) if ((await store.run(one))?.record.agent === 'grandchild') grandchild = one;
    // The child completes, and leaves its own child behind, whose end is not durable yet.
    child.open();
    while (!isWritten) await new Promise((resolve) => setTimeout(resolve, 2));
    let proved = false;
    const killed = w.supervisor.control.kill(id, 'ana', 'enough').finally(() => (proved = true));
    await w.supervisor.ended(id);
    // Questions to the store are answered after whatever the kill has asked of it.
    for (let asked = 0; asked < 50; asked++) expect(await store.descendants(id)).toEqual([grandchild]);
    expect(proved).toBe(false);
    mayEnd.open();
    await killed;
    expect(await store.descendants(id)).toEqual([]);
  });
});
