/** Hands a number that a trusted tool returned to a child, which writes under that name what it has worked out from it. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { write: 'tool:fs.write' },
  run: async ({ input, caps }) => {
    const { bytes } = input as { readonly bytes: number };
    await caps.write({ path: `${bytes}`, text: `${bytes * 7 + 1}` });
  },
});
export default defineAgent({
  name: 'parent',
  uses: { write: 'tool:fs.write' },
  spawns: { child },
  run: async ({ input, spawn, caps }) => {
    const { bytes } = (await caps.write(input as { path: string; text: string })) as { readonly bytes: number };
    await spawn(child, { bytes }, { caps: { write: caps.write } }).ended;
  },
});
