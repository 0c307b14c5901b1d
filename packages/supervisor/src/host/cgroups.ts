/**
 * Control groups around cells, where the machine lets this process make some (group-place.ts). Each cell has a group, and all cells of a
 * host together have one. They bound memory of every kind, threads and processes, and CPU time, also between two looks of the watch.
 *
 * A group's name has the pid namespace, the id and the start of its host's process, so that the next host can tell the groups of a dead one
 * and remove them. Kernel documentation: admin-guide/cgroup-v2 and cgroup-v1.
 */
import { type Dirent, existsSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { MACHINE } from '@corral/protocol/limits';
import { CONTROLLERS, textOf, type Controller, type FoundGroups, type GroupPlace } from './group-place.ts';

export interface GroupOptions {
  /** Resident memory of a cell at which the host acts; the group's limit is somewhat above it. */
  readonly cell_memory_mib: number;
  readonly cores: number;
}

const MIB = 1024 * 1024;
/** Threads of a cell and of the sandbox around it. */
const CELL_PIDS = 72;
const ALL_PIDS = 16_384;
/** Period of the limit on CPU time, in microseconds, and cores that a cell may use: V8 collects garbage beside the main thread. */
const PERIOD_US = 100_000;
const CELL_CORES = 2;
/** Weight of a process by its niceness, as the kernel's scheduler has it (sched_prio_to_weight). */
const SHARES: Readonly<Record<number, number>> = { 5: 335, 19: 15 };

/** Memory that all cells together may take. MiB. */
function allMemory_mib(place: GroupPlace, { cell_memory_mib }: GroupOptions): number {
  const file = join(place.folders.memory ?? '', place.version === 2 ? 'memory.max' : 'memory.limit_in_bytes');
  const own = Number(textOf(file)) || Number.POSITIVE_INFINITY;
  const machine_mib = Math.min(own, totalmem()) / MIB;
  return Math.round(Math.max(cell_memory_mib, machine_mib - MACHINE.host_memory_mib.default));
}

/** Limits on swapped memory, which kernels that do not account for it lack. */
const SWAP_1 = 'memory.memsw.limit_in_bytes';
const SWAP_2 = 'memory.swap.max';

/** Limits of a group, by controller: the files and the text that is written into each. */
type Limits = Readonly<Partial<Record<Controller, readonly (readonly [file: string, text: string])[]>>>;

function limits(version: 1 | 2, memory_mib: number, pids: number, cores: number | undefined): Limits {
  const bytes = String(memory_mib * MIB);
  const cpu = cores === undefined ? undefined : String(cores * PERIOD_US);
  if (version === 2)
    return {
      memory: [
        ['memory.max', bytes],
        [SWAP_2, '0'],
      ],
      pids: [['pids.max', String(pids)]],
      cpu: cpu === undefined ? [] : [['cpu.max', `${cpu} ${PERIOD_US}`]],
    };
  return {
    memory: [
      ['memory.limit_in_bytes', bytes],
      [SWAP_1, bytes],
    ],
    pids: [['pids.max', String(pids)]],
    cpu: cpu === undefined ? [] : [['cpu.cfs_quota_us', cpu]],
  };
}

/** Start of a process in ticks since the machine's start, by which it differs from a later one with its id; undefined if it is gone. */
function startOf(pid: number | string): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(') ') + 2).split(' ')[19];
}

/** Time between two attempts to remove a group, and their number. */
const REMOVE_MS = 50;
const REMOVE_TRIES = 100;

const pidNamespace = (): string => /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
const NAME = /^corral-(\d+)-(\d+)-(\d+)(?:-\d+)?$/;

/** Removes a group and those below it, if their processes have ended. @returns whether it is gone */
function remove(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) remove(join(folder, entry.name));
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}

/** The groups of one host. */
export class CellGroups {
  /** @returns undefined where this process may make no groups */
  static at(found: FoundGroups, options: GroupOptions): CellGroups | undefined {
    return 'missing' in found ? undefined : new CellGroups(found, options);
  }

  static #hosts = 0;

  readonly place: GroupPlace;
  readonly #options: GroupOptions;
  /** Only this host uses the group: a process may have several hosts, and one that stops removes its groups. */
  readonly #name = `corral-${pidNamespace()}-${process.pid}-${startOf('self') ?? '0'}-${++CellGroups.#hosts}`;
  readonly #cells = new Set<CellGroup>();
  #made: Promise<void> | undefined;
  #nth = 0;

  constructor(place: GroupPlace, options: GroupOptions) {
    this.place = place;
    this.#options = options;
    this.#removeOfDead();
  }

  /** A group for one more cell. It exists once the first process is put into it. */
  next(): CellGroup {
    this.#nth += 1;
    const cell = new CellGroup(this.place, this.#options, join(this.#name, `cell-${this.#nth}`), {
      ready: () => (this.#made ??= this.#make()),
      removed: (one) => this.#removed(one),
    });
    this.#cells.add(cell);
    return cell;
  }

  async #make(): Promise<void> {
    const { place } = this;
    const bounds = limits(place.version, allMemory_mib(place, this.#options), ALL_PIDS, undefined);
    await makeGroup(place, this.#name, bounds);
    if (place.version === 2) {
      const folder = join(place.folders.memory as string, this.#name);
      await writeFile(
        join(folder, 'cgroup.subtree_control'),
        Object.keys(place.folders)
          .map((name) => `+${name}`)
          .join(' '),
      );
    }
  }

  /** The group of all cells goes with the last of them, and is made again for the next. */
  #removed(cell: CellGroup): void {
    this.#cells.delete(cell);
    if (this.#cells.size > 0) return;
    this.#made = undefined;
    for (const folder of new Set(Object.values(this.place.folders))) remove(join(folder, this.#name));
  }

  /** Removes the groups of hosts that have ended, and ends processes that are still in them. */
  #removeOfDead(): void {
    for (const folder of new Set(Object.values(this.place.folders)))
      for (const name of readdirSync(folder)) {
        const [, namespace, pid = '', start] = NAME.exec(name) ?? [];
        if (namespace !== pidNamespace() || startOf(pid) === start) continue;
        endProcesses(join(folder, name));
        remove(join(folder, name));
      }
  }
}

/** Ends the processes in the groups below a folder. */
function endProcesses(folder: string): void {
  for (const entry of entriesOf(folder)) {
    if (!entry.isDirectory()) continue;
    for (const pid of (textOf(join(folder, entry.name, 'cgroup.procs')) ?? '').split('\n').map(Number)) {
      try {
        if (pid > 0) process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
  }
}

/** Empty if the folder is gone: another host that starts at the same time may remove the groups of a dead one. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function makeGroup({ folders }: GroupPlace, name: string, bounds: Limits): Promise<void> {
  await Promise.all([...new Set(Object.values(folders))].map(async (folder) => mkdir(join(folder, name), { recursive: true })));
  await Promise.all(
    CONTROLLERS.map(async (controller) => {
      const folder = folders[controller];
      if (folder === undefined) return;
      // In this order: the limit with swap may not be below the one without.
      for (const [file, text] of bounds[controller] ?? []) {
        const path = join(folder, name, file);
        if ((file !== SWAP_1 && file !== SWAP_2) || existsSync(path)) await writeFile(path, text);
      }
    }),
  );
}

/** The group of one cell. */
export class CellGroup {
  readonly #place: GroupPlace;
  readonly #options: GroupOptions;
  readonly #name: string;
  readonly #host: HostGroup;
  #made: Promise<void> | undefined;

  constructor(place: GroupPlace, options: GroupOptions, name: string, host: HostGroup) {
    this.#place = place;
    this.#options = options;
    this.#name = name;
    this.#host = host;
  }

  /** Puts a process with all of its threads into the group; what it starts from then on is in it as well. @throws Error */
  async add(pid: number): Promise<void> {
    await (this.#made ??= this.#make());
    await Promise.all(this.#folders().map(async (folder) => writeFile(join(folder, 'cgroup.procs'), String(pid))));
  }

  /** Sets the weight of the group among those of the other cells, by the niceness that a single process would have. */
  weigh(nice: number): void {
    const folder = this.#place.folders.cpu;
    if (folder === undefined || this.#made === undefined) return;
    const [file, text] = this.#place.version === 2 ? ['cpu.weight.nice', nice] : ['cpu.shares', SHARES[nice]];
    try {
      writeFileSync(join(folder, this.#name, file), String(text));
    } catch {
      // The group is gone, or is not made yet.
    }
  }

  /** Whether the kernel has ended a process of the group because the group was out of memory. */
  get isOutOfMemory(): boolean {
    const folder = this.#place.folders.memory;
    if (folder === undefined) return false;
    const text = textOf(join(folder, this.#name, this.#place.version === 2 ? 'memory.events' : 'memory.oom_control'));
    return Number(/^oom_kill (\d+)$/m.exec(text ?? '')?.[1] ?? 0) > 0;
  }

  /** Removes the group; called once the cell has ended. Its last process may need a moment longer. */
  remove(tries = REMOVE_TRIES): void {
    const left = this.#folders().filter((folder) => !remove(folder));
    if (left.length === 0 || tries === 0) this.#host.removed(this);
    else setTimeout(() => this.remove(tries - 1), REMOVE_MS).unref();
  }

  async #make(): Promise<void> {
    await this.#host.ready();
    const { cell_memory_mib, cores } = this.#options;
    const memory_mib = cell_memory_mib + 2 * MACHINE.cell_rss_slack_mib.default;
    await makeGroup(this.#place, this.#name, limits(this.#place.version, memory_mib, CELL_PIDS, Math.min(CELL_CORES, cores)));
  }

  #folders(): string[] {
    return [...new Set(Object.values(this.#place.folders))].map((folder) => join(folder, this.#name));
  }
}

/** The group of all cells, as one of them sees it. */
interface HostGroup {
  readonly ready: () => Promise<void>;
  readonly removed: (cell: CellGroup) => void;
}
