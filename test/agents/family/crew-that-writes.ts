/** Gives a helper a narrowed capability to write, and waits for it for long. */
import { defineAgent } from '@corral/guest';

const helper = defineAgent({ name: 'helper', uses: { write: 'tool:fs.write' }, run: ({ sleep }) => sleep(3_600_000) });

/** @param reads whether it asks for a capability to read as well */
export const crew = (reads: boolean) =>
  defineAgent({
    name: 'crew',
    uses: { write: 'tool:fs.write', ...(reads ? { read: 'tool:fs.read' as const } : {}) },
    spawns: { helper },
    async run({ caps, spawn }) {
      const write = caps.write.attenuate({ where: { path: { prefix: 'out/' } }, uses: 3 });
      await spawn(helper, {}, { caps: { write } }).ended;
    },
  });

export default crew(false);
