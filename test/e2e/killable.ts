/** A host by the command line that others install, with what it has started, to be killed and started again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { transportTo } from '@corral/client/node';
import { createClient, type Client } from '@corral/protocol/api/client';
import { CORRAL, start, type Started } from '../command.ts';
import { family, processes, type Process } from '../processes.ts';
import { until } from '../until.ts';

export class Host {
  readonly data: string;
  readonly client: Client;
  readonly #config: string;
  readonly #env: NodeJS.ProcessEnv;
  #up: Started | undefined;
  #before = '';

  constructor(data: string, config: string, env: NodeJS.ProcessEnv = {}) {
    this.data = data;
    this.#config = config;
    this.#env = env;
    this.client = createClient(transportTo({ socket: join(data, 'corral.sock') }));
  }

  async start(): Promise<void> {
    const line = [...CORRAL, 'up', '--data', this.data, '--port', '0', '--json', '--config', this.#config];
    const up = start(line, { env: this.#env });
    this.#up = up;
    await until(() => up.out().includes('"up":true') || up.child.exitCode !== null, 'the host is up');
    if (up.child.exitCode !== null) throw new Error(`The host did not start: ${up.err()}`);
  }

  /** All that it has printed, in all its lives. */
  get printed(): string {
    return `${this.#before}${this.#up?.out() ?? ''}${this.#up?.err() ?? ''}`;
  }

  /** As SIGKILL leaves it, and up again. @returns whether it was up until then */
  async killed(): Promise<boolean> {
    const wasUp = this.#up?.child.kill('SIGKILL') === true;
    await this.#up?.said;
    this.#before = this.printed;
    this.#up = undefined;
    await this.start();
    return wasUp;
  }

  /** Kills each process that it has started of which this holds. @returns whether there was one */
  kill(which: (pid: number) => boolean): boolean {
    const those = this.processes().filter(({ pid }) => which(pid));
    for (const { pid } of those)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself, with the process above it.
      }
    return those.length > 0;
  }

  /** Ends as an operator ends it. @returns its code */
  async end(): Promise<number | null> {
    this.#up?.child.kill('SIGTERM');
    return (await this.#up?.said)?.code ?? null;
  }

  /** It, and all that it started. */
  processes(): Process[] {
    return family(this.#up?.child.pid);
  }
}

export const haveEnded = (those: readonly Process[]): boolean => {
  const there = new Set(processes().map(({ pid, started }) => `${pid} ${started}`));
  return !those.some(({ pid, started }) => there.has(`${pid} ${started}`));
};

/** The command line of a process; empty if it is gone. */
export function lineOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Whether a process is Node with such a file, and not what wraps it. */
const runs = (pid: number, file: RegExp): boolean => {
  const line = lineOf(pid);
  return line[0]?.includes('node') === true && line.some((one) => file.test(one));
};

/** A cell, and not what wraps it or runs tools. */
export const isCell = (pid: number): boolean => runs(pid, /\bcell\b.*\.m?js$/);

/** A program that is started by this file. */
export const isProgram =
  (file: string) =>
  (pid: number): boolean =>
    runs(pid, new RegExp(`/${RegExp.escape(file)}$`));
