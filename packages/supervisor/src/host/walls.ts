/**
 * The walls around a cell in addition to the isolate (ARCHITECTURE.md, "Walls"), and the command line that sets them up.
 *
 * bubblewrap: the cell has its own namespaces (users, processes, network, files and the rest) and sees only the runtime's own files,
 * read-only. If the supervisor is root, bubblewrap itself is started under a user id that nobody else has.
 *
 * Another user: if the supervisor is root and bubblewrap is missing, the cell gets a user id of its own. With util-linux it also has its
 * own namespaces for processes, mounts, network and IPC. Files that everybody may read stay readable.
 *
 * With bubblewrap, a filter of system calls is installed as well (seccomp.ts): namespaces do not confine every kind of socket, and memory
 * that a process holds without mapping it counts for nobody. The wall of another user has no such filter.
 *
 * Node's permission model is used in every case, and does not count as a wall.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, mkdtempSync, openSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isFiltered, seccompFilter } from './seccomp.ts';

export type Wall = 'isolate' | 'bubblewrap' | 'user';

/** Programs of util-linux that strengthen a wall; undefined if missing. */
export interface Helpers {
  /** Limits the number of processes, threads and open files, and forbids core dumps. */
  readonly prlimit: string | undefined;
  /** Prevents privilege escalation: setuid programs gain nothing. */
  readonly setpriv: string | undefined;
}

export type Filtered = 'on' | { readonly missing: string };

export interface Walls {
  readonly bubblewrap:
    | (Helpers & {
        readonly path: string;
        /** Forbids further user namespaces inside, and makes everything read-only. Older versions of bubblewrap cannot do that. */
        readonly strict: boolean;
        /** bubblewrap itself runs under a user id of its own, not as root. */
        readonly unprivileged: boolean;
        /** The filter of system calls; `missing` says why there is none. */
        readonly seccomp: Filtered;
      })
    | { readonly missing: string };
  readonly user:
    | (Helpers & {
        /** User id of the first cell. With `each`, every cell has another id, counted from this one. */
        readonly id: number;
        readonly each: boolean;
        readonly unshare: string | undefined;
      })
    | { readonly missing: string };
}

/** Id of the user `nobody` on every Linux. */
export const NOBODY = 65_534;
/** First of a range of user ids that systemd leaves unassigned (systemd.io/UIDS-GIDS), and number of ids that are used for cells. */
export const FIRST_USER = 1_879_048_192;
const USERS = 4_096;
/** Maximum of a cell's processes and threads: about twice as many as it has. */
const PROCESSES = 64;
/** Maximum of a cell's open files: about four times as many as it has. */
const FILES = 64;
/** Limits of a cell's process, for prlimit. A core dump would copy the memory of runs to the disk of the machine. */
const LIMITS = [`--nproc=${PROCESSES}`, `--nofile=${FILES}`, '--core=0'];

/**
 * Results by search path. They are kept, because finding them starts programs, and a machine does not lose a wall while this process lives.
 */
const found = new Map<string, Walls>();

/**
 * Finds the walls that this machine offers. bubblewrap is tried, because many systems have it and forbid its use. The result is kept only
 * if bubblewrap works; else the next call looks again.
 */
export function findWalls(path = process.env['PATH'] ?? ''): Walls {
  const known = found.get(path);
  if (known !== undefined) return known;
  let user: Walls['user'] | undefined;
  const walls: Walls = {
    bubblewrap: findBubblewrap(path),
    // Looked for where it is asked about: it starts five programs, and is not used where bubblewrap works.
    get user() {
      return (user ??= findUser(path));
    },
  };
  if ('path' in walls.bubblewrap) found.set(path, walls);
  return walls;
}

/** The operating system's wall that is used; undefined if the isolate is the only wall. */
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
  const on: Filtered = isFiltered(process.arch) ? 'on' : { missing: `there is no filter for ${process.arch}` };
  let said: string | undefined;
  for (const [strict, unprivileged, more] of [
    [true, root, helpers],
    [true, false, helpers],
    [true, false, NO_HELPERS],
    [false, false, NO_HELPERS],
  ] as const) {
    const wall = { path: program, strict, unprivileged, ...more };
    const failed = triedOut(wall, on);
    if (failed === undefined) return { ...wall, seccomp: on };
    said ??= failed;
    // The filter may be what does not work here.
    const without: Filtered = { missing: `it does not work here: ${failed}` };
    if (on === 'on' && triedOut(wall, without) === undefined) return { ...wall, seccomp: without };
  }
  return { missing: `bwrap does not work here: ${said}` };
}

/** Starts Node within a wall. @returns what it complained about; undefined if it works */
function triedOut(wall: Omit<Bubblewrap, 'seccomp'>, seccomp: Filtered): string | undefined {
  const folder = seccomp === 'on' && isFiltered(process.arch) ? mkdtempSync(join(tmpdir(), 'corral-filter-')) : undefined;
  let filter: number | undefined;
  try {
    if (folder !== undefined && isFiltered(process.arch)) {
      writeFileSync(join(folder, 'filter'), seccompFilter(process.arch));
      filter = openSync(join(folder, 'filter'), 'r');
    }
    const more = filter === undefined ? [] : ['--seccomp', '3'];
    // An empty script, because Node then starts its threads, too.
    const [command = '', ...args] = [...bubblewrapCommand(wall, FIRST_USER, existing(cellFiles()), more), process.execPath, '-e', '0'];
    const trial = spawnSync(command, args, {
      timeout: 5_000,
      encoding: 'utf8',
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe', filter ?? 'ignore'],
    });
    if (trial.status === 0) return undefined;
    return (
      (trial.stderr ?? '').trim().split('\n')[0] || (trial.error?.message ?? `it ended with ${trial.signal ?? `exit code ${trial.status}`}`)
    );
  } finally {
    if (filter !== undefined) closeSync(filter);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

type Bubblewrap = Extract<Walls['bubblewrap'], { path: string }>;
const NO_HELPERS: Helpers = { prlimit: undefined, setpriv: undefined };

function findUser(path: string): Walls['user'] {
  if (process.platform === 'win32' || process.getuid === undefined) return { missing: 'this platform has no user ids' };
  if (process.getuid() !== 0) return { missing: 'only root can start a cell as somebody else' };
  const works = (program: string | undefined, args: readonly string[], more: { uid?: number } = {}) =>
    program !== undefined && spawnSync(program, args, { timeout: 5_000, cwd: '/', ...more }).status === 0 ? program : undefined;
  const linux = process.platform === 'linux';
  const anything = findProgram('true', path);
  // A container may not allow this user id.
  const each = works(anything, [], { uid: FIRST_USER }) !== undefined;
  return {
    id: each ? FIRST_USER : NOBODY,
    each,
    unshare: linux ? works(findProgram('unshare', path), [...UNSHARE, 'true']) : undefined,
    prlimit: linux && each ? works(findProgram('prlimit', path), [...LIMITS, 'true']) : undefined,
    setpriv: linux ? works(findProgram('setpriv', path), ['--no-new-privs', 'true']) : undefined,
  };
}

const UNSHARE = ['--pid', '--fork', '--kill-child', '--mount-proc', '--net', '--ipc', '--'];

export function findProgram(name: string, path: string): string | undefined {
  for (const folder of path.split(delimiter)) {
    // A relative entry would depend on the working directory, which others may have chosen.
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
  /** Set with bubblewrap: the cell is a grandchild, and bubblewrap writes its pid to this descriptor. */
  readonly statusDescriptor: number | undefined;
  /** The cell is a grandchild whose pid is not reported. */
  readonly forks: boolean;
  /** The filter of system calls, and the descriptor from which bubblewrap reads it. */
  readonly filter?: { readonly descriptor: number; readonly program: Buffer };
}

/** The cell's entry, built by `npm run build`. It is known by its path and never imported here. */
export const CELL_MAIN = fileURLToPath(import.meta.resolve('@corral/cell/main'));
export const IMAGE_PATH = fileURLToPath(import.meta.resolve('@corral/image-base/image.json'));

const STATUS_DESCRIPTOR = 4;
const FILTER_DESCRIPTOR = 5;

/**
 * The command that starts a cell within the given wall.
 * @param nth number of the cell; cells that live at the same time get different user ids by it
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
    // Needed to load the addon; dropped before any guest is loaded.
    '--allow-fs-read=*',
    '--disable-warning=SecurityWarning',
    CELL_MAIN,
    IMAGE_PATH,
    become,
  ];
  if (wall === 'bubblewrap' && 'path' in walls.bubblewrap) {
    const filter =
      walls.bubblewrap.seccomp === 'on' && isFiltered(process.arch)
        ? { descriptor: FILTER_DESCRIPTOR, program: seccompFilter(process.arch) }
        : undefined;
    const more = ['--json-status-fd', String(STATUS_DESCRIPTOR), ...(filter === undefined ? [] : ['--seccomp', String(FILTER_DESCRIPTOR)])];
    const [command = '', ...args] = [
      ...bubblewrapCommand(walls.bubblewrap, FIRST_USER + (nth % USERS), cellFiles(), more),
      node,
      ...nodeArgs,
    ];
    return { command, args, statusDescriptor: STATUS_DESCRIPTOR, forks: false, ...(filter === undefined ? {} : { filter }) };
  }
  if (wall === 'user' && 'id' in walls.user) {
    const { unshare, prlimit, setpriv } = walls.user;
    const [command = node, ...args] = [
      // The limit takes effect once the cell has changed its user id; root has no limit.
      ...(prlimit === undefined ? [] : [prlimit, ...LIMITS]),
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
  { path, strict, unprivileged, prlimit, setpriv }: Omit<Bubblewrap, 'seccomp'>,
  user: number,
  files: readonly string[],
  more: readonly string[] = [],
): string[] {
  const become = unprivileged ? [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'] : [];
  return [
    ...(setpriv === undefined ? [] : [setpriv, ...become, '--no-new-privs']),
    path,
    '--unshare-all',
    // The cell runs as the user nobody, and cannot gain another id.
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
    // bubblewrap's own root is a writable file system in memory without a size limit.
    ...(strict ? ['--remount-ro', '/'] : []),
    '--chdir',
    '/',
    ...more,
    // Set inside the cell's own user namespace, so that only its own processes count.
    ...(prlimit === undefined ? [] : [prlimit, ...LIMITS]),
  ];
}

/** All files of the machine that a cell can see, apart from system libraries. */
const cellFiles = (): string[] => [...new Set([process.execPath, CELL_MAIN, IMAGE_PATH, ...addonFolders()])];
const existing = (files: readonly string[]): string[] => files.filter((file) => existsSync(file));

/** Folders of the addon and of the package that finds the addon's binary. */
function addonFolders(): string[] {
  const addon = dirname(createRequire(CELL_MAIN).resolve('isolated-vm/package.json'));
  const loader = dirname(createRequire(join(addon, 'package.json')).resolve('node-gyp-build/package.json'));
  return [addon, loader];
}

/** Environment of cells. It is fixed, because time zone and locale influence the results of agents. */
export const CELL_ENVIRONMENT: Readonly<Record<string, string>> = { TZ: 'UTC', LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8' };
