/** A package that calls what an isolate does not have ends its run with the name of that, and the package's. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { front, shortFolder } from '../front.ts';

/** One call of each kind; `bundle.test.ts` of the command line has the names and the parts of Node. */
const CALLS: Readonly<Record<string, readonly [is: string, code: string]>> = {
  'node:child_process.spawn': ['part of Node', `import { spawn } from 'child_process'; export default () => spawn('ls')`],
  'node:fs/promises.readFile': ['part of Node', `import { readFile } from 'fs/promises'; export default async () => readFile('x')`],
  'node:http.Agent': ['part of Node', `import http from 'node:http'; export default () => new http.Agent()`],
  'xxhash.wasm': ['WebAssembly', `import wasm from './xxhash.wasm'; export default () => new wasm()`],
};

test('a run ends as failed with the API that is missing, the package that called it, and what to do', async () => {
  const f = await front({ configCode: `export default { policies: 'none' }` });
  const folder = await shortFolder();
  const names = Object.keys(CALLS);
  for (const [i, [, code]] of Object.values(CALLS).entries()) {
    const at = join(folder, 'node_modules', `needy-${i}`);
    await mkdir(at, { recursive: true });
    await writeFile(join(at, 'package.json'), JSON.stringify({ name: `needy-${i}`, type: 'module', main: 'index.js' }));
    await writeFile(join(at, 'index.js'), `${code};`);
    await writeFile(join(at, 'xxhash.wasm'), '\0asm');
  }
  const file = join(folder, 'agent.ts');
  const imports = names.map((_, i) => `import c${i} from 'needy-${i}';`).join('\n');
  await writeFile(
    file,
    `import { defineAgent } from '@corral/guest';\n${imports}
     export default defineAgent({ name: 'needy', run: async ({ input }) => { await [${names.map((_, i) => `c${i}`).join(', ')}][input as number]?.(); } });`,
  );
  await f.deploy({ file });
  const ends = await Promise.all(
    names.map(async (_, input) => {
      const { run } = await f.admin.submitRun({ body: { agent: 'needy', input } });
      return (await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).outcome;
    }),
  );
  for (const [i, [name, [is]]] of Object.entries(CALLS).entries()) {
    const message = `${name} is ${is}, which an agent does not have; needy-${i} called it. Use another entry of that package, or give the agent a capability for what it does.`;
    expect(ends[i]).toMatchObject({ kind: 'failed', code: 'CORRAL_API_MISSING', message });
  }
});
