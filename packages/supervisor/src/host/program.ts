/**
 * Programs of others, such as an MCP server on this machine: processes of their own behind bubblewrap. They see the system's programs and
 * libraries, what the configuration grants, and an empty `/tmp`; they have no network interface but their own loopback, on which the host may take
 * the connections to one port; a filter of system calls and, where there are control groups, bounds on memory and processes hold them. A program
 * ends with its host, and takes with it whatever it started.
 */
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { realpathSync, statSync, type Stats } from 'node:fs';
import { Server } from 'node:net';
import { basename, dirname, isAbsolute } from 'node:path';
import type { Writable } from 'node:stream';
import { CorralError } from '@corral/protocol/errors';
import type { Program, ProgramPort, ProgramSpec, StartProgram } from '@corral/protocol/ports/program';
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

/**
 * Starts a confined program with a port: it is told the program's environment, listens on the port within the network namespace, hands the listening
 * socket to the host over the channel between the two, and becomes the program. Nothing of it is left then, and the program has neither the socket nor
 * the channel. It has no environment itself: `NODE_OPTIONS` would run code beside it.
 */
const LISTENER = `const [port, file, ...args] = process.argv.slice(1);
process.once('message', (env) => {
  const server = require('node:net').createServer();
  process.once('disconnect', () => process.execve(file, [file, ...args], env));
  server.listen(Number(port), '127.0.0.1', () => process.send('port', server, () => server.close()));
});`;
const BY_LISTENER = ['--disable-warning=ExperimentalWarning', '-e', LISTENER, '--'];

/** Starts programs within the walls of this machine. */
export function programs({ walls, groups, path }: ProgramOptions): StartProgram {
  return (spec) => {
    const command = commandOf(spec, path);
    const { bubblewrap } = walls;
    if (Object.values(spec.env).some((value) => value.includes('\0')))
      throw new CorralError('CORRAL_CONFIG_INVALID', `A variable of the environment of ${basename(command)} has a NUL in it.`);
    if (!spec.confined) return started(command, spec.args, { env: { ...spec.env, PATH: path }, cwd: spec.cwd ?? process.cwd() });
    if (!('path' in bubblewrap))
      throw new CorralError(
        'CORRAL_WALLS_MISSING',
        `${basename(command)} is to run behind a wall, and this machine has none for programs: ${bubblewrap.missing}.`,
      );
    const filter = bubblewrap.seccomp === 'on' && isFiltered(process.arch) ? programFilter(process.arch) : undefined;
    const { port } = spec;
    const inner = port === undefined ? [command] : [process.execPath, ...BY_LISTENER, String(port.number), command];
    const [outer = '', ...args] = [...wallOf(bubblewrap, command, spec, filter !== undefined), ...inner, ...spec.args];
    const env = { PATH: [dirname(command), PATH].join(':'), HOME: '/tmp', TMPDIR: '/tmp', LANG: 'C.UTF-8', ...spec.env };
    // bubblewrap clears the environment, and with it where Node finds the channel to the host.
    const channel = { NODE_CHANNEL_FD: String(FILTER_DESCRIPTOR + (filter === undefined ? 0 : 1)) };
    const read = [settingOf(port === undefined ? env : channel), ...(filter === undefined ? [] : [filter])];
    const listener = port && { port, env };
    return started(outer, args, { env: { PATH: path }, cwd: '/', read, group: groups?.next(), listener });
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
  const granted = grantedTo(command, spec);
  const become = unprivileged ? userFor(granted) : undefined;
  const user = become === undefined ? [] : [`--reuid=${become.uid}`, `--regid=${become.gid}`, '--clear-groups'];
  return [
    ...(setpriv === undefined ? [] : [setpriv, ...user, '--no-new-privs']),
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

/** An environment as bubblewrap's arguments, each with a NUL behind it. */
function settingOf(env: Readonly<Record<string, string>>): Buffer {
  const args = Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]);
  return Buffer.from(args.map((arg) => `${arg}\0`).join(''));
}

const isOfSystem = (command: string): boolean => SYSTEM.some((folder) => command.startsWith(`${folder}/`));

/** The folder that a program comes with, if it is none of the system's: for `…/node/bin/node` all of `…/node`. A listener is Node alone. */
function grantedTo(command: string, { folders, port }: ProgramSpec): ProgramSpec['folders'] {
  const folder = dirname(command);
  const own = isOfSystem(command) ? [] : [basename(folder) === 'bin' ? dirname(folder) : folder];
  const node = realpathSync(process.execPath);
  const listener = port === undefined || isOfSystem(node) ? [] : [node];
  return [...[...own, ...listener].map((path) => ({ path, write: false })), ...folders];
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user that a program becomes where root starts it: one of its own, or the owner of all folders that it writes to, so that its files belong
 * to whoever has the folder. Undefined: no user but root may use its folders in this way.
 */
function userFor(granted: ProgramSpec['folders']): User | undefined {
  try {
    const [user = { uid: FIRST_USER, gid: FIRST_USER }, ...others] = granted.filter(({ write }) => write).map(({ path }) => statSync(path));
    if (user.uid === 0 || others.some(({ uid }) => uid !== user.uid)) return undefined;
    const become = { uid: user.uid, gid: user.gid === 0 ? FIRST_USER : user.gid };
    return granted.every((folder) => mayUse(folder, become)) ? become : undefined;
  } catch {
    return undefined;
  }
}

const [READ, WRITE, SEARCH] = [4, 2, 1];

/** Whether a user may use a folder, or a file, by the permissions of it and of the folders above it. */
function mayUse({ path, write }: ProgramSpec['folders'][number], user: User): boolean {
  const own = statSync(path);
  if (!permits(own, user, READ | (own.isDirectory() ? SEARCH : 0) | (write ? WRITE : 0))) return false;
  for (let [below, above] = [path, dirname(path)]; above !== below; [below, above] = [above, dirname(above)])
    if (!permits(statSync(above), user, SEARCH)) return false;
  return true;
}

function permits({ mode, uid, gid }: Stats, user: User, wanted: number): boolean {
  const given = uid === user.uid ? mode >> 6 : gid === user.gid ? mode >> 3 : mode;
  return (given & wanted) === wanted;
}

/**
 * Whether a program runs as root within its wall; `corral doctor` says so.
 * @throws CORRAL_CONFIG_INVALID if there is no such program
 */
export function runsAsRoot({ bubblewrap }: Walls, spec: ProgramSpec, path: string): boolean {
  if (process.getuid?.() !== 0 || !('path' in bubblewrap) || !spec.confined) return false;
  return !bubblewrap.unprivileged || userFor(grantedTo(commandOf(spec, path), spec)) === undefined;
}

interface Around {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** For bubblewrap to read: the first from the first descriptor after the error output. */
  readonly read?: readonly Buffer[];
  readonly group?: CellGroup | undefined;
  /** For a program that is started by a listener. */
  readonly listener?: Listener | undefined;
}

interface Listener {
  readonly port: ProgramPort;
  /** The program's. */
  readonly env: Readonly<Record<string, string>>;
}

function started(command: string, args: readonly string[], { env, cwd, read = [], group, listener }: Around): Program {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe', ...read.map(() => 'pipe' as const), ...(listener === undefined ? [] : (['ipc'] as const))],
    env,
    cwd,
    // A process group of its own, so that all of it can be ended at once.
    detached: process.platform !== 'win32',
  }) as ChildProcessWithoutNullStreams;
  const listeners = new Set<(why: string) => void>();
  let why: string | undefined;
  const end = (text: string) => {
    if (why !== undefined) return;
    why = group?.isOutOfMemory === true ? 'it took more memory than it may' : text;
    group?.remove();
    ports?.close();
    for (const listener of listeners) listener(why);
  };
  child.on('error', (error) => end(`it could not be started: ${error.message}`));
  child.on('exit', (code, signal) => end(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`));
  const ports = listener && taken(child, listener);
  // An idle program does not keep its host from exiting.
  child.unref();
  child.channel?.unref();
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

/** The connections to the port of a program. The first message of the channel has the socket, and there is no second one. */
function taken(child: ChildProcess, { port: { take }, env }: Listener): { readonly close: () => void } {
  let server: Server | undefined;
  let isClosed = false;
  // If the program has ended before, that is what is reported.
  if (child.connected) child.send(env, () => undefined);
  child.once('message', (_message, handle) => {
    if (!(handle instanceof Server)) return;
    // The program can have ended before this was read.
    if (isClosed) return void handle.close();
    server = handle.unref();
    server.on('connection', take).on('error', () => undefined);
    child.disconnect();
  });
  return {
    close: () => {
      isClosed = true;
      server?.close();
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
