/** Counts the lines of each file in a folder. Every file is read by a child run that can read that file, once, and nothing else. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

const reader = defineAgent({
  name: 'count/reader',
  input: z.object({ path: z.string() }),
  uses: { read: 'tool:fs.read' },
  run: async ({ input, caps }) => (await caps.read(input)).text.split('\n').length,
});

export default defineAgent({
  name: 'count',
  uses: { list: 'tool:fs.list', read: 'tool:fs.read' },
  spawns: { reader },
  async run({ caps, spawn, budget }) {
    const { entries } = await caps.list({});
    const files = entries.filter((entry) => entry.kind === 'file');
    const ends = files.map(({ name: path }) => {
      const read = caps.read.attenuate({ where: { path: { under: path } }, uses: 1 });
      return spawn(reader, { path }, { caps: { read }, budget: budget.slice({ cpu_ms: 500, calls: 1, bytes: 200_000 }) }).ended;
    });
    return (await Promise.all(ends)).map((end, i) => ({ file: files[i]?.name, lines: end.kind === 'completed' ? end.output : end.kind }));
  },
});
