/**
 * A host in a process of its own, to be killed: runs agents that write lines to a file through a tool that must not be done
 * twice. argv: folder, runs to have submitted. Tells what goes on as one JSON document a line.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { bundleAgent } from '@corral/cli/bundle';
import type { PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import { SqliteStore } from '@corral/store/sqlite';
import { findWalls, ProcessLauncher, readImage, realClock, realRandom, Supervisor } from '@corral/supervisor';
import { inlineTool } from '@corral/tools/define';
import { agentFile } from '../../agents/file.ts';

const [folder = '', wanted = '0'] = process.argv.slice(2);
const lines = join(folder, 'lines');
const submitted = join(folder, 'submitted');
const TENANT = 'crew' as TenantId;
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

const append = inlineTool({
  name: 'append',
  description: 'writes a line, and must not be done twice',
  input: z.object({ n: z.number() }),
  output: z.object({ n: z.number() }),
  annotations: { readOnly: false, idempotent: false, openWorld: false, destructive: false, returns: 'trusted' },
  async run({ n }, { idempotency_key }) {
    // Time to be killed before, between and after.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    appendFileSync(lines, `${idempotency_key}\n`);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    return { n };
  },
});

const AGENT = agentFile('chaos/writer');

mkdirSync(folder, { recursive: true });
const store = await SqliteStore.open(join(folder, 'data'));
const supervisor = await Supervisor.start({
  store,
  launcher: new ProcessLauncher(findWalls()),
  clock: realClock,
  random: realRandom,
  image: readImage(),
  cores: 2,
  tenants: { [TENANT]: { tools: [append] } },
  residency: { park_after_ms: 40, sweep_ms: 50 },
});

/** Does what a person who looks would do: settles calls of unknown result by whether their line is in the file, and resumes suspects. */
async function attend(): Promise<{ readonly resolved: number; readonly resumed: number }> {
  const written = new Set(existsSync(lines) ? readFileSync(lines, 'utf8').split('\n') : []);
  let resolved = 0;
  let resumed = 0;
  for (const { record, status } of await store.runs({ ended: false, limit: 10_000 })) {
    // A run becomes a suspect if three hosts in a row are killed before they did anything for it, as may happen on a slow machine.
    if (status.control === 'quarantined')
      resumed += await supervisor.control.resume(record.id, 'driver', 'the hosts were killed').then(
        () => 1,
        // It goes on already: the store is read before.
        () => 0,
      );
    if (status.waiting !== 'resolution') continue;
    for (const entry of await store.journal(record.id)) {
      for (const { id, tool } of entry.decisions) {
        if (tool !== 'append') continue;
        const how = written.has(`${record.id}:${id}`) ? ({ how: 'result', value: { n: 1 } } as const) : ({ how: 'retry' } as const);
        const settled = await supervisor.control.resolve(record.id, id, 'driver', how).then(
          () => true,
          // It is not this call that the run waits for.
          () => false,
        );
        resolved += Number(settled);
      }
    }
  }
  return { resolved, resumed };
}

const bundle = await bundleAgent(AGENT.file);
const [manifests] = await supervisor.describe([bundle.describing]);
const [version] = await supervisor.deploy(TENANT, bundle.source, manifests);
if (version === undefined) throw new Error('no agent');
say({ kind: 'up', era: store.era });

const known = existsSync(submitted) ? readFileSync(submitted, 'utf8').split('\n').filter(Boolean) : [];
const submitting = (async () => {
  for (let n = known.length; n < Number(wanted); n++) {
    const { id } = await supervisor.submit({ tenant: TENANT, version, input: { n }, principal: 'chaos' as PrincipalId });
    appendFileSync(submitted, `${id}\n`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
})();

for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 60));
  const attended = await attend();
  const open = await store.runs({ ended: false, limit: 10_000 });
  say({ kind: 'state', open: open.length, ...attended, cells: supervisor.cells().map((cell) => cell.pid) });
  if (open.length > 0 || (existsSync(submitted) ? readFileSync(submitted, 'utf8').split('\n').length - 1 : 0) < Number(wanted)) continue;
  await submitting;
  const ids = readFileSync(submitted, 'utf8').split('\n').filter(Boolean) as RunId[];
  for (const id of ids) {
    const run = await store.run(id);
    say({
      kind: 'ended',
      run: id,
      outcome: run?.status.outcome,
      children: (await store.runs({ parent: id })).map((child) => ({ id: child.record.id, outcome: child.status.outcome })),
    });
  }
  say({ kind: 'done' });
  await supervisor.close();
  break;
}
