/**
 * Programs of others, such as an MCP server on this machine: processes of their own behind bubblewrap. They see the system's programs and
 * libraries, what the configuration grants, and an empty `/tmp`; they have no network interface; a filter of system calls and, where there
 * are control groups, bounds on memory and processes hold them. A program ends with its host, and takes with it whatever it started.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { Writable } from 'node:stream';
import { CorralError } from '@corral/protocol/errors';
import type { Program, ProgramSpec, StartProgram } from '@corral/protocol/ports/program';
import type { CellGroup, CellGroups } from './cgroups.ts';
import { isFiltered, programFilter } from './seccomp.ts';
import { findProgram, FIRST_USER, NOBODY, type Walls } from './walls.ts';

const PROCESSES = 128;
const FILES = 1_024;
const LIMITS = [`--nproc=${PROCESSES}`, `--nofile=${FILES}`, '--core=0'];
/** Size of its `/tmp`, which is memory. */
const TMP_BYTES = 256 * 1024 * 1024;
/** Arguments of bubblewrap that hold the environment: everybody on the machine may read a command line. */
const ENVIRONMENT_DESCRIPTOR = 3;
const FILTER_DESCRIPTOR = 4;
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64'];
const SETTINGS = ['ssl', 'ca-certificates', 'alternatives', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'localtime'].map(
  (one) => `/etc/${one}`,
);
const PATH = '/usr/local/bin:/usr/bin:/bin';

export interface ProgramOptions {
  readonly walls: Walls;
  readonly groups: CellGroups | undefined;
  /** The host's `PATH`. */
  readonly path: string;
}

/** Starts programs within the walls of this machine. */
export function programs({ walls, groups, path }: ProgramOptions): StartProgram {
  return (spec) => {
    const command = commandOf(spec, path);
    const { bubblewrap } = walls;
    if (Object.values(spec.env).some((value) => value.includes('\0')))
      throw new CorralError('CORRAL_CONFIG_INVALID', `A variable of the environment of ${basename(command)} has a NUL in it.`);
    if (!spec.confined) return started(command, spec.args, { ...spec.env, PATH: path }, spec.cwd ?? process.cwd(), [], undefined);
    if (!('path' in bubblewrap))
      throw new CorralError(
        'CORRAL_WALLS_MISSING',
        `${basename(command)} is to run behind a wall, and this machine has none for programs: ${bubblewrap.missing}.`,
      );
    const filter = bubblewrap.seccomp === 'on' && isFiltered(process.arch) ? programFilter(process.arch) : undefined;
    const [outer = '', ...args] = [...wallOf(bubblewrap, command, spec, filter !== undefined), command, ...spec.args];
    const read = [environmentOf(command, spec), ...(filter === undefined ? [] : [filter])];
    return started(outer, args, { PATH: path }, '/', read, groups?.next());
  };
}

/** @throws CORRAL_CONFIG_INVALID if there is no such program */
function commandOf({ command }: ProgramSpec, path: string): string {
  const found = isAbsolute(command) ? command : command === 'node' ? process.execPath : findProgram(command, path);
  try {
    if (found !== undefined) return realpathSync(found);
  } catch {
    // said below
  }
  throw new CorralError('CORRAL_CONFIG_INVALID', `There is no program ${command.slice(0, 200)}.`);
}

type Bubblewrap = Extract<Walls['bubblewrap'], { path: string }>;

function wallOf(
  { path, strict, unprivileged, prlimit, setpriv }: Bubblewrap,
  command: string,
  spec: ProgramSpec,
  filtered: boolean,
): string[] {
  const own = ownFolder(command);
  const granted = own === undefined ? spec.folders : [{ path: own, write: false }, ...spec.folders];
  // Files that it writes have to belong to the host's user; and a folder that nobody else may read can be shown to that user alone.
  const become = unprivileged && granted.every((folder) => !folder.write && othersMayRead(folder.path));
  const user = [`--reuid=${FIRST_USER}`, `--regid=${FIRST_USER}`, '--clear-groups'];
  return [
    ...(setpriv === undefined ? [] : [setpriv, ...(become ? user : []), '--no-new-privs']),
    path,
    '--unshare-all',
    ...(strict ? ['--unshare-user', '--disable-userns', '--uid', String(NOBODY), '--gid', String(NOBODY)] : []),
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--clearenv',
    '--args',
    String(ENVIRONMENT_DESCRIPTOR),
    ...[...SYSTEM, ...SETTINGS].flatMap((folder) => ['--ro-bind-try', folder, folder]),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--size',
    String(TMP_BYTES),
    '--tmpfs',
    '/tmp',
    ...granted.flatMap((folder) => [folder.write ? '--bind' : '--ro-bind', folder.path, folder.path]),
    ...(prlimit === undefined ? [] : ['--ro-bind', prlimit, prlimit]),
    ...(strict ? ['--remount-ro', '/'] : []),
    '--chdir',
    spec.cwd ?? '/',
    ...(filtered ? ['--seccomp', String(FILTER_DESCRIPTOR)] : []),
    ...(prlimit === undefined ? [] : [prlimit, ...LIMITS]),
  ];
}

/** The environment of a program as bubblewrap's arguments, each with a NUL behind it. */
function environmentOf(command: string, spec: ProgramSpec): Buffer {
  const env = { PATH: [dirname(command), PATH].join(':'), HOME: '/tmp', TMPDIR: '/tmp', LANG: 'C.UTF-8', ...spec.env };
  const args = Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]);
  return Buffer.from(args.map((arg) => `${arg}\0`).join(''));
}

/** The folder that a program comes with, if it is none of the system's: of `…/node/bin/node` all of `…/node`. */
function ownFolder(command: string): string | undefined {
  if (SYSTEM.some((folder) => command.startsWith(`${folder}/`))) return undefined;
  const folder = dirname(command);
  return basename(folder) === 'bin' ? dirname(folder) : folder;
}

/** Whether every user of the machine may read the folder and those above it. */
function othersMayRead(path: string): boolean {
  try {
    const own = statSync(path);
    const needed = own.isDirectory() ? 0o005 : 0o004;
    if ((own.mode & needed) !== needed) return false;
    for (let above = dirname(path); ; above = dirname(above)) {
      if ((statSync(above).mode & 0o001) === 0) return false;
      if (above === join(above, '..')) return true;
    }
  } catch {
    return false;
  }
}

function started(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  read: readonly Buffer[],
  group: CellGroup | undefined,
): Program {
  // The first of `read` is the first descriptor after the error output.
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe', ...read.map(() => 'pipe' as const)],
    env,
    cwd,
    // A process group of its own, so that all of it can be ended at once.
    detached: process.platform !== 'win32',
  });
  const listeners = new Set<(why: string) => void>();
  let why: string | undefined;
  const end = (text: string) => {
    if (why !== undefined) return;
    why = group?.isOutOfMemory === true ? 'it took more memory than it may' : text;
    group?.remove();
    for (const listener of listeners) listener(why);
  };
  child.on('error', (error) => end(`it could not be started: ${error.message}`));
  child.on('exit', (code, signal) => end(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`));
  // An idle program does not keep its host from exiting.
  child.unref();
  for (const stream of child.stdio) (stream as unknown as { unref?: () => void } | null)?.unref?.();
  void enclosed(child, read, group).catch((error: unknown) => {
    killGroup(child);
    end(`it could not be put into its control group: ${error instanceof Error ? error.message : String(error)}`);
  });
  return {
    pid: child.pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    kill: () => killGroup(child),
    onEnd(listener) {
      if (why === undefined) listeners.add(listener);
      else listener(why);
    },
  };
}

/** bubblewrap waits for what it reads, so that the program is started only once bubblewrap is in the control group. */
async function enclosed(child: ChildProcess, read: readonly Buffer[], group: CellGroup | undefined): Promise<void> {
  if (group !== undefined && child.pid !== undefined) await group.add(child.pid);
  for (const [i, bytes] of read.entries()) {
    const pipe = child.stdio[ENVIRONMENT_DESCRIPTOR + i] as Writable;
    // bubblewrap reports what it could not read.
    pipe.on('error', () => undefined);
    pipe.end(bytes);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}
