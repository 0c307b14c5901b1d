/** The layers around a cell besides its isolates, one by one: whether each stands on this machine, what follows, and how to turn it on. */
import type { FoundGroups } from './group-place.ts';
import { osWall, type Walls } from './walls.ts';

export const LAYERS = ['bubblewrap', 'user', 'seccomp', 'limits', 'cgroup-memory', 'cgroup-pids', 'cgroup-cpu'] as const;
export type LayerName = (typeof LAYERS)[number];

export interface Layer {
  readonly name: LayerName;
  /** `off`: this machine has it, and it is not in use. */
  readonly state: 'on' | 'off' | 'not available';
  /** If it is on: its effect. Else: why it is not, the consequence, and how to turn it on. */
  readonly says: string;
}

export function layersOf(walls: Walls, groups: FoundGroups): readonly Layer[] {
  return [bubblewrap(walls), user(walls), seccomp(walls), limits(walls), ...cgroups(groups)];
}

const unavailable = (name: LayerName, says: string): Layer => ({ name, state: 'not available', says });

function bubblewrap({ bubblewrap: wall }: Walls): Layer {
  const name = 'bubblewrap';
  if ('path' in wall) return { name, state: 'on', says: 'cells see no network, no processes and only the runtime’s files' };
  return unavailable(name, `${wall.missing}; install bubblewrap for the stronger wall`);
}

function user(walls: Walls): Layer {
  const { user: wall } = walls;
  const name = 'user';
  if (!('id' in wall)) return unavailable(name, wall.missing);
  const which = wall.each ? 'each cell as another user' : 'cells as the user nobody';
  const network = wall.unshare === undefined ? 'with this machine’s network and processes in sight' : 'without a network';
  const says = `${which}, ${network}; files that everybody may read stay readable, and system calls are not filtered`;
  if (osWall(walls) === 'user') return { name, state: 'on', says };
  return { name, state: 'off', says: `not needed behind bubblewrap, the stronger wall; it would have ${says}` };
}

function seccomp({ bubblewrap: wall }: Walls): Layer {
  const name = 'seccomp';
  if (!('path' in wall))
    return unavailable(name, 'a cell can make every system call of a user; bubblewrap installs the filter, so install bubblewrap');
  if (wall.seccomp !== 'on')
    return unavailable(
      name,
      `${wall.seccomp.missing}; a cell can make every system call within its namespaces; use another kernel or version of bubblewrap`,
    );
  return { name, state: 'on', says: 'the kernel ends a cell that opens a socket, starts a process or hides memory' };
}

function limits(walls: Walls): Layer {
  const name = 'limits';
  const wall = osWall(walls);
  const helpers = wall === 'bubblewrap' ? walls.bubblewrap : wall === 'user' ? walls.user : undefined;
  if (helpers !== undefined && 'prlimit' in helpers && helpers.prlimit !== undefined)
    return { name, state: 'on', says: 'a cell has at most 64 threads and 64 open files, and dumps no core' };
  return unavailable(
    name,
    wall === undefined
      ? 'a cell may have as many threads and files as its host; they come with a wall'
      : 'a cell may have as many threads and files as a user; install util-linux for prlimit',
  );
}

const WITHOUT = {
  memory: 'the memory of cells is bounded by the watch alone, which a cell may pass between two looks',
  pids: 'threads and processes of a cell are bounded by `limits` alone',
  cpu: 'a cell with many threads gets more of the CPU than its neighbours until the watch ends it',
} as const;
const WITH = {
  memory: 'the kernel bounds the memory of each cell, and of all cells together',
  pids: 'the kernel bounds the threads and processes of each cell, and of all cells together',
  cpu: 'each cell gets the same share of the CPU, and at most two cores',
} as const;
const HOW = 'start the host as root, or where version 2 is delegated to it, as by a systemd unit with `Delegate=yes`';

function cgroups(found: FoundGroups): Layer[] {
  return (['memory', 'pids', 'cpu'] as const).map((controller): Layer => {
    const name = `cgroup-${controller}` as const;
    if ('missing' in found) return unavailable(name, `${found.missing}; ${WITHOUT[controller]}; ${HOW}`);
    if (found.folders[controller] === undefined)
      return unavailable(name, `version ${found.version} offers no such controller here; ${WITHOUT[controller]}`);
    return { name, state: 'on', says: `${WITH[controller]} (version ${found.version})` };
  });
}
