/** A host for benchmarks: the real one, in a folder of its own, with the benchmark's tools. */
import { DETECTORS } from '@corral/policy/detection/list';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleAgent } from '@corral/cli/bundle';
import type { PrincipalId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { AgentVersion, Budget, CeilingsRequest } from '@corral/protocol/model/manifest';
import type { Tool } from '@corral/protocol/ports/tool';
import { SqliteStore } from '@corral/store/sqlite';
import {
  CellGroups,
  findGroups,
  findWalls,
  ProcessLauncher,
  readImage,
  realClock,
  realRandom,
  Supervisor,
  type SupervisorOptions,
} from '@corral/supervisor';
import type { AgentFile } from '../agents/file.ts';

export interface BenchWorld {
  readonly supervisor: Supervisor;
  readonly store: SqliteStore;
  readonly folder: string;
  /** @param before code before an agent that is given as text, in its module */
  deploy(agent: AgentFile | string, before?: string): Promise<AgentVersion>;
  submit(version: AgentVersion, input?: unknown, more?: { ceilings?: CeilingsRequest; budget?: Budget }): ReturnType<Supervisor['submit']>;
  close(): Promise<void>;
}

const TENANT = 'bench' as TenantId;
const NEVER = { notice: null, slow: null, pause: null, kill: null };
export const OBSERVE = { detectors: Object.fromEntries(DETECTORS.map((name) => [name, NEVER])) };

export async function benchWorld(tools: readonly Tool[], options: Partial<SupervisorOptions> = {}): Promise<BenchWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-bench-'));
  const store = await SqliteStore.open(join(folder, 'data'));
  const cores = availableParallelism();
  const groups =
    process.env['CORRAL_BENCH_GROUPS'] === 'off'
      ? undefined
      : CellGroups.at(findGroups(), { cell_memory_mib: MACHINE.cell_memory_mib.default, cores });
  const supervisor = await Supervisor.start({
    store,
    launcher: new ProcessLauncher(findWalls(), { groups }),
    clock: realClock,
    random: realRandom,
    image: readImage(),
    cores,
    // Everything is observed without consequences, because these agents repeat themselves on purpose.
    tenants: { [TENANT]: { tools, loops: { ladder: OBSERVE } } },
    ...options,
  });
  let files = 0;
  const written = async (definition: string, before: string): Promise<string> => {
    const file = join(folder, 'agents', `${(files += 1)}.ts`);
    await mkdir(join(folder, 'agents'), { recursive: true });
    await writeFile(file, `import { defineAgent } from '@corral/guest';\n${before}\nexport default defineAgent(${definition});`);
    return file;
  };
  return {
    supervisor,
    store,
    folder,
    async deploy(agent, before = '') {
      const { source, describing } = await bundleAgent(typeof agent === 'string' ? await written(agent, before) : agent.file);
      const [manifests] = await supervisor.describe([describing]);
      const [version] = await supervisor.deploy(TENANT, source, manifests);
      if (version === undefined) throw new Error('no agent');
      return version;
    },
    submit: (version, input = {}, more = {}) =>
      supervisor.submit({ tenant: TENANT, version, input, principal: 'bench' as PrincipalId, ...more }),
    async close() {
      await supervisor.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the number of ready cells is stable. */
export async function settled(world: BenchWorld): Promise<void> {
  let last = -1;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const ready = world.supervisor.cells().filter((cell) => cell.ready).length;
    if (ready === last && ready === world.supervisor.cells().length) return;
    last = ready;
  }
}
