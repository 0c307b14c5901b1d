/** A folder outside of this repository, with the npm and the Node of the machine: nothing of the repository is in reach. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The environment of a user's shell, with the way by which npm reaches its registry. Compilers are set to programs that do not exist. */
function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept =
    /^(?:HOME|USER|LANG|TMPDIR|SystemRoot|.*_proxy|.*_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|npm_config_(?:registry|userconfig|cafile))$/;
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(ROOT) && !folder.includes('node_modules'));
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name))),
    PATH: path.join(delimiter),
    CC: '/nonexistent/cc',
    CXX: '/nonexistent/c++',
    PYTHON: '/nonexistent/python',
    npm_config_ignore_scripts: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    npm_config_yes: 'true',
    ...more,
  };
}

/**
 * A cache of npm in a folder of its own. `npm create` and `npx` take a program that is in theirs without asking the registry, and the
 * machine may have an older one there. Downloads are shared: they are named by their hashes and by the address of the registry.
 */
async function npmCache(folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', ['config', 'get', 'cache']);
  const downloads = join(stdout.trim(), '_cacache');
  if (existsSync(downloads)) await symlink(downloads, join(folder, '_cacache'), process.platform === 'win32' ? 'junction' : 'dir');
  return folder;
}

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class Elsewhere {
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.#env = env;
  }

  /** An empty folder. @param registry undefined: the one that npm is configured with */
  static async make(registry?: string): Promise<Elsewhere> {
    const made = async (prefix: string) => {
      const folder = await mkdtemp(join(tmpdir(), prefix));
      onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
      return folder;
    };
    const more = registry === undefined ? {} : { npm_config_registry: registry };
    return new Elsewhere(await made('crl-out-'), environment({ ...more, npm_config_cache: await npmCache(await made('crl-npm-')) }));
  }

  within(name: string): Elsewhere {
    return new Elsewhere(join(this.folder, name), this.#env);
  }

  start(
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): { readonly child: ChildProcess; readonly said: Promise<Said> } {
    const child = spawn(command, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...this.#env, ...env } });
    onTestFinished(() => void child.kill('SIGKILL'));
    let out = '';
    let err = '';
    child.stdout?.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr?.on('data', (text: Buffer) => (err += text.toString()));
    const said = new Promise<Said>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, out, err }));
    });
    return { child, said };
  }

  run(command: string, ...args: string[]): Promise<Said> {
    return this.start(command, args).said;
  }

  /** The output of a command. @throws with everything it said, unless it ended with 0 */
  async ok(command: string, ...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(command, ...args);
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${out}\n${err}`);
    return out;
  }

  /** `corral` as `npx` finds it. */
  corral(...args: string[]): Promise<string> {
    return this.ok(join(this.folder, 'node_modules/.bin/corral'), ...args);
  }

  /** The JSON document that `corral` prints. */
  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.corral(...args, '--json')) as T;
  }
}
