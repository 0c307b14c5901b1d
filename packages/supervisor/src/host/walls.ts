/**
 * Which walls stand around a cell besides the isolate itself (DESIGN 3.2), and the command line that puts them up.
 *
 * bubblewrap: own namespaces for users, processes, network, files and the rest; sees the runtime's own files, read-only,
 * and nothing else. Where the supervisor is root, bubblewrap itself is started as a user that nobody else is. Another user: where
 * the supervisor is root and has no bubblewrap, the cell becomes a user of its own and, where util-linux is at hand, has
 * processes, mounts, network and IPC of its own; files that everybody may read stay readable.
 * Node's permission model is dropped into in every case, and is not counted.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Wall = 'isolate' | 'bubblewrap' | 'user';

/** What a wall is started by, besides bubblewrap: programs of util-linux, each where it is at hand. */
export interface Helpers {
  /** Bounds how many processes and threads there may be. */
  readonly prlimit: string | undefined;
  /** Takes away the way up: no program that is started gains anything by being setuid. */
  readonly setpriv: string | undefined;
}

export interface Walls {
  readonly bubblewrap:
    | (Helpers & {
        readonly path: string;
        /** Without further user namespaces inside, and nothing writable; older ones cannot do that. */
        readonly strict: boolean;
        /** Starts as a user of its own, not as root. */
        readonly unprivileged: boolean;
      })
    | { readonly missing: string };
  readonly user:
    | (Helpers & {
        /** The user the first cell becomes; with `each`, every cell is another one, counted from there. */
        readonly id: number;
        readonly each: boolean;
        readonly unshare: string | undefined;
      })
    | { readonly missing: string };
}

/** The user nobody on every Linux. */
const NOBODY = 65_534;
/** User ids that systemd leaves to nobody (systemd.io/UIDS-GIDS), and how many cells have one of their own. */
const FIRST_USER = 1_879_048_192;
const USERS = 4_096;
/** Threads of a cell, and room for as many again. */
const PROCESSES = 64;

/** What was found, by path: programs are started to find it, and a machine does not lose a wall while this process lives. */
const found = new Map<string, Walls>();

/** Looks at what this machine offers. Tries bubblewrap out, since many systems have it and forbid it. A wall that is missing is looked for again. */
export function findWalls(path = process.env['PATH'] ?? ''): Walls {
  const known = found.get(path);
  if (known !== undefined) return known;
  const walls = { bubblewrap: findBubblewrap(path), user: findUser(path) };
  if ('path' in walls.bubblewrap) found.set(path, walls);
  return walls;
}

/** The operating system's wall that will be used; undefined: the isolate is the only one. */
export function osWall(walls: Walls): 'bubblewrap' | 'user' | undefined {
  if ('path' in walls.bubblewrap) return 'bubblewrap';
  return 'id' in walls.user ? 'user' : undefined;
}

function findBubblewrap(path: string): Walls['bubblewrap'] {
  if (process.platform !== 'linux') return { missing: `it needs Linux, and this is ${process.platform}` };
  const program = findProgram('bwrap', path);
  if (program === undefined) return { missing: 'bwrap is not installed' };
  const helpers = { prlimit: findProgram('prlimit', path), setpriv: findProgram('setpriv', path) };
  const root = process.getuid?.() === 0 && helpers.setpriv !== undefined;
  let said = '';
  for (const [strict, unprivileged, more] of [
    [true, root, helpers],
    [true, false, helpers],
    [true, false, NO_HELPERS],
    [false, false, NO_HELPERS],
  ] as const) {
    const wall = { path: program, strict, unprivileged, ...more };
    const [command = '', ...args] = [...bubblewrapCommand(wall, FIRST_USER, existing(cellFiles())), process.execPath, '--version'];
    const trial = spawnSync(command, args, { timeout: 5_000, encoding: 'utf8', cwd: '/' });
    if (trial.status === 0) return wall;
    said ||= (trial.stderr ?? '').trim().split('\n')[0] || (trial.error?.message ?? 'unknown');
  }
  return { missing: `bwrap does not work here: ${said}` };
}

const NO_HELPERS: Helpers = { prlimit: undefined, setpriv: undefined };

function findUser(path: string): Walls['user'] {
  if (process.platform === 'win32' || process.getuid === undefined) return { missing: 'this platform has no user ids' };
  if (process.getuid() !== 0) return { missing: 'only root can start a cell as somebody else' };
  const works = (program: string | undefined, args: readonly string[], more: { uid?: number } = {}) =>
    program !== undefined && spawnSync(program, args, { timeout: 5_000, cwd: '/', ...more }).status === 0 ? program : undefined;
  const linux = process.platform === 'linux';
  const anything = findProgram('true', path);
  // In a container there may be no such user.
  const each = works(anything, [], { uid: FIRST_USER }) !== undefined;
  return {
    id: each ? FIRST_USER : NOBODY,
    each,
    unshare: linux ? works(findProgram('unshare', path), [...UNSHARE, 'true']) : undefined,
    prlimit: linux && each ? works(findProgram('prlimit', path), [`--nproc=${PROCESSES}`, 'true']) : undefined,
    setpriv: linux ? works(findProgram('setpriv', path), ['--no-new-privs', 'true']) : undefined,
  };
}

const UNSHARE = ['--pid', '--fork', '--kill-child', '--mount-proc', '--net', '--ipc', '--'];

function findProgram(name: string, path: string): string | undefined {
  for (const folder of path.split(delimiter)) {
    // A relative entry means whatever folder somebody has put us in.
    if (!isAbsolute(folder)) continue;
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return realpathSync(candidate);
    } catch {
      // not here
    }
  }
  return undefined;
}

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  /** bubblewrap is the child then, and the cell a grandchild, whose pid bubblewrap writes to this descriptor. */
  readonly statusDescriptor: number | undefined;
  /** The cell is a grandchild, and nobody says which. */
  readonly forks: boolean;
}

/** The cell's entry, built by `npm run build`: known by path, never imported here. */
export const CELL_MAIN = fileURLToPath(import.meta.resolve('@corral/cell/main'));
export const IMAGE_PATH = fileURLToPath(import.meta.resolve('@corral/image-base/image.json'));

const STATUS_DESCRIPTOR = 4;

/**
 * The command that starts a cell within the given wall.
 * @param nth tells cells apart that are there at the same time, so that each can be a user of its own
 */
export function cellCommand(walls: Walls, nth = 0): CommandLine {
  const node = process.execPath;
  const wall = osWall(walls);
  const become = wall === 'user' && 'id' in walls.user ? String(walls.user.id + (walls.user.each ? nth % USERS : 0)) : '-';
  const nodeArgs = [
    // isolated-vm needs it
    '--no-node-snapshot',
    '--permission',
    '--allow-addons',
    // To load the addon; dropped before any guest is loaded.
    '--allow-fs-read=*',
    '--disable-warning=SecurityWarning',
    CELL_MAIN,
    IMAGE_PATH,
    become,
  ];
  if (wall === 'bubblewrap' && 'path' in walls.bubblewrap) {
    const status = ['--json-status-fd', String(STATUS_DESCRIPTOR)];
    const [command = '', ...args] = [
      ...bubblewrapCommand(walls.bubblewrap, FIRST_USER + (nth % USERS), cellFiles(), status),
      node,
      ...nodeArgs,
    ];
    return { command, args, statusDescriptor: STATUS_DESCRIPTOR, forks: false };
  }
  if (wall === 'user' && 'id' in walls.user) {
    const { unshare, prlimit, setpriv } = walls.user;
    const [command = node, ...args] = [
      // It holds once the cell has become somebody else; root is held to nothing.
      ...(prlimit === undefined ? [] : [prlimit, `--nproc=${PROCESSES}`]),
      ...(setpriv === undefined ? [] : [setpriv, '--no-new-privs']),
      ...(unshare === undefined ? [] : [unshare, ...UNSHARE]),
      node,
      ...nodeArgs,
    ];
    return { command, args, statusDescriptor: undefined, forks: unshare !== undefined };
  }
  return { command: node, args: nodeArgs, statusDescriptor: undefined, forks: false };
}

function bubblewrapCommand(
  { path, strict, unprivileged, prlimit, setpriv }: Extract<Walls['bubblewrap'], { path: string }>,
  user: number,
  files: readonly string[],
  more: readonly string[] = [],
): string[] {
  const become = unprivileged ? [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'] : [];
  return [
    ...(setpriv === undefined ? [] : [setpriv, ...become, '--no-new-privs']),
    path,
    '--unshare-all',
    // Whoever starts it, the cell is nobody, and has no way to become anybody.
    ...(strict ? ['--unshare-user', '--disable-userns', '--uid', String(NOBODY), '--gid', String(NOBODY)] : []),
    '--die-with-parent',
    '--new-session',
    '--as-pid-1',
    '--cap-drop',
    'ALL',
    '--clearenv',
    ...Object.entries(CELL_ENVIRONMENT).flatMap(([name, value]) => ['--setenv', name, value]),
    // The dynamic linker and the C library
    ...['/lib', '/lib64', '/usr/lib', '/usr/lib64'].flatMap((folder) => ['--ro-bind-try', folder, folder]),
    ...files.flatMap((file) => ['--ro-bind', file, file]),
    ...(prlimit === undefined ? [] : ['--ro-bind', prlimit, prlimit]),
    // bubblewrap's own root is a file system in memory, which would be as large as one likes.
    ...(strict ? ['--remount-ro', '/'] : []),
    '--chdir',
    '/',
    ...more,
    // Within its own user namespace, so that only its own processes count.
    ...(prlimit === undefined ? [] : [prlimit, `--nproc=${PROCESSES}`]),
  ];
}

/** All that a cell can see of the machine. */
const cellFiles = (): string[] => [...new Set([process.execPath, CELL_MAIN, IMAGE_PATH, ...addonFolders()])];
const existing = (files: readonly string[]): string[] => files.filter((file) => existsSync(file));

/** What the cell loads besides itself: the addon, and what finds the addon's binary. */
function addonFolders(): string[] {
  const addon = dirname(createRequire(CELL_MAIN).resolve('isolated-vm/package.json'));
  const loader = dirname(createRequire(join(addon, 'package.json')).resolve('node-gyp-build/package.json'));
  return [addon, loader];
}

/** Fixed, since time zone and locale show in what agents compute. */
export const CELL_ENVIRONMENT: Readonly<Record<string, string>> = { TZ: 'UTC', LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8' };
