/**
 * Spawns children that hold as many pages behind handles as they get. It gains the host's memory, which counts towards the heap of no isolate.
 * Input: how many children, the characters of a page, and whether each child asks for all its pages at once.
 */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({
  name: 'kid',
  uses: { page: 'tool:web.page' },
  async run({ input, caps, sleep }) {
    const { pages, chars, at_once } = input as { pages: number; chars: number; at_once?: boolean };
    const refused: Record<string, number> = {};
    let held = 0;
    const get = async () => {
      try {
        await caps.page.handle({ chars }, { timeout_ms: 5_000 });
        held += 1;
      } catch (error) {
        const { code } = error as { code: string };
        refused[code] = (refused[code] ?? 0) + 1;
      }
    };
    if (at_once === true) await Promise.all(Array.from({ length: pages }, get));
    else for (let i = 0; i < pages; i++) await get();
    // Until all have asked, also on a slow machine.
    await sleep(10_000);
    return { held, refused };
  },
});

export default defineAgent({
  name: 'a',
  uses: { page: 'tool:web.page' },
  spawns: { kid },
  async run({ input, caps, spawn }) {
    const { children, ...each } = input as { children: number; pages: number; chars: number; at_once?: boolean };
    const { pages, chars } = each;
    const kids = Array.from({ length: children }, () =>
      spawn(kid, each, { caps: { page: caps.page }, budget: { calls: pages, bytes: 2 * pages * chars, cpu_ms: 4_000 } }),
    );
    return (await Promise.all(kids.map((one) => one.ended))).map((end) => (end.kind === 'completed' ? end.output : JSON.stringify(end)));
  },
});
