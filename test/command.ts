/** The real command line on a data folder of its own, for tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { temporary } from './world.ts';

/** The command line as others install it, which `test/setup.ts` has built. */
export const CORRAL_MAIN = fileURLToPath(new URL('../packages/corral/dist/bin/corral.mjs', import.meta.url));
/** The command line, as Node takes it. */
export const CORRAL: readonly string[] = [process.execPath, CORRAL_MAIN];
/** The same from its sources, as a clone of the repository has it. */
export const FROM_SOURCES: readonly string[] = [process.execPath, fileURLToPath(import.meta.resolve('@corral/cli/main'))];

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcess;
  /** Its code and its whole output, once it has ended. */
  readonly said: Promise<Said>;
  /** Its output until now. */
  readonly out: () => string;
  readonly err: () => string;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Besides the environment of the tests. */
  readonly env?: NodeJS.ProcessEnv;
  /** Its input is a pipe; otherwise it has none. */
  readonly typed?: boolean;
}

/** Starts a program, and kills it with the end of the test. */
export function start(line: readonly string[], { cwd, env = {}, typed = false }: StartOptions = {}): Started {
  const [program = '', ...args] = line;
  const child = spawn(program, args, { cwd, stdio: [typed ? 'pipe' : 'ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  const said = new Promise<Said>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  return { child, said, out: () => out, err: () => err };
}

export function corral(
  args: readonly string[],
  onError: (text: string) => void = () => undefined,
  env: NodeJS.ProcessEnv = {},
): Promise<Said> {
  const { child, said, err } = start([...CORRAL, ...args], { env: { COLUMNS: '100', ...env } });
  child.stderr?.on('data', () => onError(err()));
  return said;
}

/** Whether this machine has the program of util-linux that makes a terminal for a command. */
export const HAS_TERMINALS = process.platform === 'linux' && existsSync('/usr/bin/script');

/** The command line of a shell's line in a terminal; what it prints and what is typed are those of the terminal. */
export const inTerminal = (line: string): readonly string[] => ['script', '-qefc', line, '/dev/null'];

export interface Folder {
  readonly data: string;
  /** Runs a verb on the data folder. */
  readonly on: (...args: string[]) => Promise<Said>;
  /** The same, for the JSON document it prints. */
  readonly json: <T = Record<string, unknown>>(...args: string[]) => Promise<T>;
  readonly file: (name: string, source: string) => Promise<string>;
}

export async function folder(): Promise<Folder> {
  const root = await temporary();
  const data = join(root, 'data');
  const on = (...args: string[]) => corral([...args, '--data', data]);
  return {
    data,
    on,
    json: async <T>(...args: string[]) => {
      const { out, err } = await on(...args, '--json');
      if (out === '') throw new Error(err);
      return JSON.parse(out) as T;
    },
    file: async (name, source) => {
      const path = join(root, name);
      await writeFile(path, `import { defineAgent } from '@corral/guest';\nexport default defineAgent(${source});\n`);
      return path;
    },
  };
}

const COUNTER = (ms = 5) => `{
  name: 'counter',
  async run({ input, sleep, log }) {
    log('counting to', input.to, Math.random());
    let sum = 0;
    for (let i = 1; i <= input.to; i++) {
      await sleep(${ms});
      sum += i;
    }
    return { sum };
  },
}`;

/** A finished run of the counter. */
export async function counted({ file, json }: Folder, to = 3): Promise<RunId> {
  const { run } = await json<{ run: RunId }>('run', await file('counter.ts', COUNTER()), '--input', `{"to":${to}}`);
  return run;
}
