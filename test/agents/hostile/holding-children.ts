/** Spawns children that hold as many pages behind handles as they get, all at once. Input: how many, and the characters of a page. */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({
  name: 'kid',
  uses: { page: 'tool:web.page' },
  async run({ input, caps, sleep }) {
    const { pages, chars } = input as { pages: number; chars: number };
    const refused: Record<string, number> = {};
    let held = 0;
    for (let i = 0; i < pages; i++) {
      try {
        await caps.page.handle({ chars });
        held += 1;
      } catch (error) {
        const { code } = error as { code: string };
        refused[code] = (refused[code] ?? 0) + 1;
      }
    }
    await sleep(2_000);
    return { held, refused };
  },
});

export default defineAgent({
  name: 'a',
  uses: { page: 'tool:web.page' },
  spawns: { kid },
  async run({ input, caps, spawn }) {
    const { children, pages, chars } = input as { children: number; pages: number; chars: number };
    const kids = Array.from({ length: children }, () =>
      spawn(kid, { pages, chars }, { caps: { page: caps.page }, budget: { calls: pages, bytes: 2 * pages * chars } }),
    );
    return (await Promise.all(kids.map((one) => one.ended))).map((end) => (end.kind === 'completed' ? end.output : end.kind));
  },
});
