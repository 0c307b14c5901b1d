/** The real command line on a data folder of its own, for tests. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { temporary } from './world.ts';

const MAIN = fileURLToPath(import.meta.resolve('@corral/cli/main'));

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function corral(
  args: readonly string[],
  onError: (text: string) => void = () => undefined,
  env: NodeJS.ProcessEnv = {},
): Promise<Said> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, COLUMNS: '100', ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => {
    err += text.toString();
    onError(err);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

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
