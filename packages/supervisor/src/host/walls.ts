/**
 * Which walls stand around a cell besides the isolate itself (DESIGN 3.2), and the command line that puts them up.
 *
 * bubblewrap: own namespaces for users, processes, network, files and the rest; sees the runtime's own files, read-only,
 * and nothing else. Another user: where the supervisor is root and has no bubblewrap, the cell becomes user 65534 and,
 * where util-linux is at hand, has a network namespace of its own; files that everybody may read stay readable.
 * Node's permission model is dropped into in every case, and is not counted.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Wall = 'isolate' | 'bubblewrap' | 'user';

export interface Walls {
  readonly bubblewrap: { readonly path: string } | { readonly missing: string };
  readonly user: { readonly id: number; readonly unshare: string | undefined } | { readonly missing: string };
}

/** The user nobody on every Linux. */
const NOBODY = 65_534;

/** Looks at what this machine offers. Tries bubblewrap out, since many systems have it and forbid it. */
export function findWalls(path = process.env['PATH'] ?? ''): Walls {
  return { bubblewrap: findBubblewrap(path), user: findUser(path) };
}

/** The operating system's wall that will be used; undefined: the isolate is the only one. */
export function osWall(walls: Walls): 'bubblewrap' | 'user' | undefined {
  if ('path' in walls.bubblewrap) return 'bubblewrap';
  return 'id' in walls.user ? 'user' : undefined;
}

function findBubblewrap(path: string): Walls['bubblewrap'] {
  if (process.platform !== 'linux') return { missing: `it needs Linux, and this is ${process.platform}` };
  const found = findProgram('bwrap', path);
  if (found === undefined) return { missing: 'bwrap is not installed' };
  const trial = spawnSync(found, ['--unshare-all', '--ro-bind', '/', '/', 'true'], { timeout: 5_000, encoding: 'utf8' });
  if (trial.status === 0) return { path: found };
  return { missing: `bwrap does not work here: ${(trial.stderr ?? '').trim().split('\n')[0] ?? trial.error?.message ?? 'unknown'}` };
}

function findUser(path: string): Walls['user'] {
  if (process.platform === 'win32' || process.getuid === undefined) return { missing: 'this platform has no user ids' };
  if (process.getuid() !== 0) return { missing: 'only root can start a cell as somebody else' };
  const unshare = process.platform === 'linux' ? findProgram('unshare', path) : undefined;
  const works = unshare !== undefined && spawnSync(unshare, ['--net', '--ipc', 'true'], { timeout: 5_000 }).status === 0;
  return { id: NOBODY, unshare: works ? unshare : undefined };
}

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
}

/** The cell's entry, built by `npm run build`: known by path, never imported here. */
export const CELL_MAIN = fileURLToPath(import.meta.resolve('@corral/cell/main'));
export const IMAGE_PATH = fileURLToPath(import.meta.resolve('@corral/image-base/image.json'));

const STATUS_DESCRIPTOR = 4;

/** The command that starts a cell within the given wall. */
export function cellCommand(walls: Walls): CommandLine {
  const node = process.execPath;
  const wall = osWall(walls);
  const become = wall === 'user' && 'id' in walls.user ? String(walls.user.id) : '-';
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
    return { command: walls.bubblewrap.path, args: [...bubblewrapArgs(node), node, ...nodeArgs], statusDescriptor: STATUS_DESCRIPTOR };
  }
  if (wall === 'user' && 'id' in walls.user && walls.user.unshare !== undefined) {
    return { command: walls.user.unshare, args: ['--net', '--ipc', '--', node, ...nodeArgs], statusDescriptor: undefined };
  }
  return { command: node, args: nodeArgs, statusDescriptor: undefined };
}

function bubblewrapArgs(node: string): string[] {
  const readOnly = new Set([node, CELL_MAIN, IMAGE_PATH, ...addonFolders()]);
  return [
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    '--as-pid-1',
    '--cap-drop',
    'ALL',
    '--clearenv',
    ...Object.entries(CELL_ENVIRONMENT).flatMap(([name, value]) => ['--setenv', name, value]),
    // The dynamic linker and the C library
    ...['/lib', '/lib64', '/usr/lib', '/usr/lib64'].flatMap((folder) => ['--ro-bind-try', folder, folder]),
    ...[...readOnly].flatMap((path) => ['--ro-bind', path, path]),
    '--chdir',
    '/',
    '--json-status-fd',
    String(STATUS_DESCRIPTOR),
  ];
}

/** What the cell loads besides itself: the addon, and what finds the addon's binary. */
function addonFolders(): string[] {
  const addon = dirname(createRequire(CELL_MAIN).resolve('isolated-vm/package.json'));
  const loader = dirname(createRequire(join(addon, 'package.json')).resolve('node-gyp-build/package.json'));
  return [addon, loader];
}

/** Fixed, since time zone and locale show in what agents compute. */
export const CELL_ENVIRONMENT: Readonly<Record<string, string>> = { TZ: 'UTC', LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8' };
