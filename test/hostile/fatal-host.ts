/**
 * A host in a process of its own whose tool `bomb` ends that process, as native code of a tool can. argv: data folder, and `submit`
 * for the first start. Tells how its runs stand as one JSON document a line.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { bundleAgent } from '@corral/cli/bundle';
import type { PrincipalId, TenantId } from '@corral/protocol/ids';
import { SqliteStore } from '@corral/store/sqlite';
import { findWalls, ProcessLauncher, readImage, realClock, realRandom, Supervisor } from '@corral/supervisor';
import { inlineTool } from '@corral/tools/define';
import { agentFile } from '../agents/file.ts';

const [folder = '', first] = process.argv.slice(2);
const TENANT = 'crew' as TenantId;
const spec = { description: '', input: z.object({}), output: z.object({}) };
const annotations = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' } as const;
/** Called by the run beside it, which has got on with its work before the host dies: whoever has not, three times, is set aside too. */
let worked = 0;
const bomb = inlineTool({
  ...spec,
  name: 'bomb',
  annotations,
  run: () =>
    new Promise<never>(() => {
      setInterval(() => worked >= 3 && process.kill(process.pid, 'SIGKILL'), 50);
    }),
});
const fine = inlineTool({ ...spec, name: 'fine', annotations, run: () => ((worked += 1), {}) });

const store = await SqliteStore.open(join(folder, 'data'));
const supervisor = await Supervisor.start({
  store,
  launcher: new ProcessLauncher(findWalls()),
  clock: realClock,
  random: realRandom,
  image: readImage(),
  cores: 2,
  cellsPerTenant: 1,
  spares: 0,
  tenants: { [TENANT]: { tools: [bomb, fine] } },
});
if (first === 'submit') {
  const bundle = await bundleAgent(agentFile('hostile/bomber').file);
  const [manifests] = await supervisor.describe([bundle.describing]);
  const [version] = await supervisor.deploy(TENANT, bundle.source, manifests);
  if (version === undefined) throw new Error('no agent');
  for (const tool of ['fine', 'bomb'])
    await supervisor.submit({ tenant: TENANT, version, input: { tool }, principal: 'test' as PrincipalId });
}
for (;;) {
  const runs = await store.runs({ limit: 10 });
  const stands = await Promise.all(
    runs.map(async ({ record, status }) => ({
      tool: (record.input as { tool: string }).tool,
      control: status.control,
      cranks: (await store.journal(record.id)).length,
    })),
  );
  process.stdout.write(`${JSON.stringify(stands)}\n`);
  await new Promise((resolve) => setTimeout(resolve, 200));
}
