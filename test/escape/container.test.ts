/**
 * A host as its container runs it, without a container's engine: bubblewrap gives the user without rights, the read-only root and the
 * profile of system calls, which is assembled from the same table as deploy/seccomp.json. An engine itself is not tried here.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { findWalls } from '@corral/supervisor';
import { hostFilter, isFiltered } from '@corral/supervisor/host/seccomp';
import { CORRAL_MAIN } from '../command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const USER = '10001';
const BECOME = process.getuid?.() === 0 ? [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'] : [];

interface Service {
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
}

/** Arguments by which bubblewrap makes what docker-compose.yml asks for; `data` can be written as /tmp/data. */
async function contained(): Promise<{ readonly args: readonly string[]; readonly filter: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-container-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o777);
  const file = join(folder, 'filter');
  if (!isFiltered(process.arch)) throw new Error(`There is no filter for ${process.arch}.`);
  await writeFile(file, hostFilter(process.arch));
  const filter = openSync(file, 'r');
  onTestFinished(() => closeSync(filter));
  return {
    filter,
    // /proc can be written as with `systempaths=unconfined`.
    args: ['setpriv', ...BECOME, '--no-new-privs', 'bwrap', '--die-with-parent', '--ro-bind', '/', '/', '--bind', '/proc', '/proc'].concat([
      '--dev',
      '/dev',
      '--tmpfs',
      '/tmp',
      // This repository may lie below the folder that was just hidden.
      '--ro-bind',
      ROOT,
      ROOT,
      '--bind',
      folder,
      '/tmp/data',
      '--seccomp',
      '3',
    ]),
  };
}

const ENV = { ...process.env, HOME: '/tmp', XDG_CACHE_HOME: '/tmp/cache', NODE_COMPILE_CACHE: undefined };

async function inContainer(...command: string[]): Promise<{ readonly status: number | null; readonly out: string; readonly err: string }> {
  const { args, filter } = await contained();
  const [setpriv = '', ...rest] = args;
  const { status, stdout, stderr } = spawnSync(setpriv, [...rest, ...command], {
    cwd: ROOT,
    encoding: 'utf8',
    env: ENV,
    stdio: ['ignore', 'pipe', 'pipe', filter],
  });
  return { status, out: stdout, err: stderr };
}

async function service(): Promise<Service> {
  const file = parse(await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')) as { readonly services: { readonly corral: Service } };
  return file.services.corral;
}

const walls = findWalls();
/** A user without rights must be allowed to make namespaces, which some systems forbid, and to read this repository. */
const possible =
  'path' in walls.bubblewrap &&
  isFiltered(process.arch) &&
  spawnSync('setpriv', [...BECOME, '--no-new-privs', 'bwrap', '--ro-bind', '/', '/', 'test', '-r', CORRAL_MAIN]).status === 0;

test('the container asks for a user without rights, a read-only root and the profile of this repository', async () => {
  const { user, read_only, cap_drop, security_opt } = await service();
  expect({ user, read_only, cap_drop }).toEqual({ user: `${USER}:${USER}`, read_only: true, cap_drop: ['ALL'] });
  expect(security_opt).toEqual(expect.arrayContaining(['no-new-privileges:true', 'seccomp:deploy/seccomp.json']));
});

test.skipIf(!possible)('both walls stand under the profile, for a user without rights on a read-only root', async () => {
  const { status, out, err } = await inContainer(process.execPath, CORRAL_MAIN, 'doctor', '--json');
  expect([status, err]).toEqual([0, '']);
  const { wall, layers } = JSON.parse(out) as {
    readonly wall: string;
    readonly layers: readonly { readonly name: string; readonly state: string }[];
  };
  expect(wall).toBe('bubblewrap');
  expect(layers.find(({ name }) => name === 'seccomp')).toMatchObject({ state: 'on' });
});

test.skipIf(!possible)('an agent runs under the profile', async () => {
  const { status, out } = await inContainer(
    process.execPath,
    CORRAL_MAIN,
    'run',
    'examples/hello.ts',
    '--data',
    '/tmp/data',
    '--input',
    '{"name":"Ada"}',
  );
  expect([status, JSON.parse(out)]).toEqual([0, { greeting: 'Hello, Ada!' }]);
});

const perl = spawnSync('perl', ['-e', '1']).status === 0 && process.arch === 'x64';
test.skipIf(!possible || !perl)('a call that the profile does not name fails, also as the host itself', async () => {
  // keyctl(KEYCTL_GET_KEYRING_ID, the keyring of the session)
  const script = '$r = syscall(250, 0, -3, 0); print $r < 0 ? $! + 0 : "allowed";';
  expect(spawnSync('perl', ['-e', script], { encoding: 'utf8' }).stdout).not.toBe('38');
  expect((await inContainer('perl', '-e', script)).out).toBe('38');
});

test.skipIf(!possible)(
  'a host starts with the configuration of docker-compose.yml, is healthy by its health check, and stops in order',
  async () => {
    const { args, filter } = await contained();
    const [setpriv = '', ...rest] = args;
    const up = [
      'up',
      '--data',
      '/tmp/data',
      '--port',
      '0',
      '--config',
      'deploy/config/corral.config.ts',
      '--require-walls',
      'bubblewrap,seccomp',
      '--json',
    ];
    const host = spawn(setpriv, [...rest, process.execPath, CORRAL_MAIN, ...up], {
      cwd: ROOT,
      env: ENV,
      stdio: ['ignore', 'pipe', 'pipe', filter],
    });
    onTestFinished(() => void host.kill('SIGKILL'));
    let err = '';
    host.stderr?.on('data', (text: Buffer) => (err += text.toString()));
    const ended = new Promise<number | null>((resolve) => host.once('close', resolve));
    const line = await Promise.race([
      new Promise<string>((resolve) => host.stdout?.once('data', (text: Buffer) => resolve(text.toString()))),
      ended.then(() => Promise.reject(new Error(err))),
    ]);
    const { url, pid, config_refused } = JSON.parse(line) as {
      readonly url: string;
      readonly pid: number;
      readonly config_refused: string | null;
    };
    expect(config_refused).toBeNull();
    const { healthcheck } = await service();
    const [, , ...check] = healthcheck.test.map((word) => word.replace('http://127.0.0.1:7070', url));
    expect(spawnSync(process.execPath, check).status).toBe(0);
    // The namespace of processes is this one, so this is the host itself.
    process.kill(pid, 'SIGTERM');
    await ended;
    expect(err).toContain('SIGTERM: no new work; stopping.');
    expect(spawnSync(process.execPath, check).status).toBe(1);
  },
);
