/** Starts two children, each of which starts two that sleep. */
import { defineAgent } from '@corral/guest';

const leaf = defineAgent({
  name: 'leaf',
  run: async ({ sleep }) => {
    await sleep(3600000);
  },
});
const branch = defineAgent({
  name: 'branch',
  spawns: { leaf },
  run: async ({ spawn }) => {
    const kids = [1, 2].map(() => spawn(leaf, {}, { budget: { cpu_ms: 1000 } }));
    await Promise.all(kids.map((k) => k.ended));
  },
});
export default defineAgent({
  name: 'root',
  spawns: { branch },
  run: async ({ spawn }) => {
    await Promise.all(
      [1, 2].map(() => spawn(branch, {}, { budget: { children: 10, cpu_ms: 10000, calls: 10, messages: 10, bytes: 10000 } }).ended),
    );
  },
});
