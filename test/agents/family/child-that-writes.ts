/** Waits for a child that writes a file, which the default policies ask people about. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { write: 'tool:fs.write' },
  run: async ({ caps }) => {
    await caps.write({ path: 'a.txt', text: 'x' });
  },
});
export default defineAgent({
  name: 'parent',
  uses: { write: 'tool:fs.write' },
  spawns: { child },
  run: async ({ spawn, caps }) => {
    await spawn(child, {}, { caps: { write: caps.write } }).ended;
  },
});
