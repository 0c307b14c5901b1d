/** A host embedded in this process: the composition root of `corral run` and `corral demo --once`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from './failure.ts';
import type { Store } from '@corral/protocol/ports/store';
import type { MemoryStore } from '@corral/protocol/ports/memory';
import { SqliteMemory } from '@corral/store/memory';
import { SqliteStore } from '@corral/store/sqlite';
import { keySource } from '@corral/store/core/keys';
import { MACHINE } from '@corral/protocol/limits';
import {
  CellGroups,
  findGroups,
  findWalls,
  osWall,
  ProcessLauncher,
  readImage,
  realClock,
  realRandom,
  roomInHeap,
  Supervisor,
  type TenantOptions,
  type Walls,
} from '@corral/supervisor';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Host {
  readonly supervisor: Supervisor;
  readonly store: Store;
  readonly walls: Walls;
  close(): Promise<void>;
}

export interface HostOptions {
  /** The data folder; undefined: a temporary one, deleted at the end. */
  readonly data: string | undefined;
  readonly tenants: Readonly<Record<string, TenantOptions>>;
  /** Spare cells that are kept ready. */
  readonly spares?: number;
  /** Gets the memories of the host's folder for as long as it runs: the tools that need them are made before. */
  readonly memory?: MemoryPlace;
}

/** The memories of agents, while there is a folder for them. */
export interface MemoryPlace {
  store?: MemoryStore | undefined;
}

export async function startHost({ data, tenants, spares, memory = {} }: HostOptions): Promise<Host> {
  const image = readImage();
  const walls = findWalls();
  const groups = CellGroups.at(findGroups(), { cell_memory_mib: MACHINE.cell_memory_mib.default, cores: availableParallelism() });
  const folder = data ?? (await mkdtemp(join(tmpdir(), 'corral-')));
  const forget = async () => {
    if (data === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    const store = await SqliteStore.open(folder, { keys: keySource(process.env) });
    const kept = new SqliteMemory(folder, keySource(process.env));
    memory.store = kept;
    const supervisor = await Supervisor.start({
      store,
      launcher: new ProcessLauncher(walls, { groups }),
      clock: realClock,
      random: realRandom,
      tenants,
      image,
      cores: availableParallelism(),
      heap_bytes: roomInHeap(),
      ...(spares === undefined ? {} : { spares }),
    });
    let closing: Promise<void> | undefined;
    const close = () =>
      (closing ??= (async () => {
        for (const signal of SIGNALS) process.off(signal, interrupted);
        await supervisor.close();
        memory.store = undefined;
        await kept.close();
        await forget();
      })());
    // On an interrupt all cells are ended, and the temporary folder is deleted.
    const interrupted = (signal: NodeJS.Signals) => {
      void close().finally(() => process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated));
    };
    for (const signal of SIGNALS) process.once(signal, interrupted);
    return { supervisor, store, walls, close };
  } catch (error) {
    await forget();
    throw error;
  }
}

/** One line about the walls around an agent. */
export function wallsLine(walls: Walls): string {
  const wall = osWall(walls);
  if (wall === 'bubblewrap') return 'walls: isolate ✓  bubblewrap ✓';
  if (wall === 'user') return 'walls: isolate ✓  another user ✓  bubblewrap ✗ (see corral doctor)';
  return 'walls: isolate ✓  bubblewrap ✗ (one wall: see corral doctor)';
}
