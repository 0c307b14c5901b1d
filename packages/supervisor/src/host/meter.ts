/** Measures a process by /proc, from outside, so that the process cannot falsify the result. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { ProcessMeter } from '@corral/protocol/ports/machine';

const PAGE_MIB = 4096 / (1024 * 1024);

/** Keeps two files of /proc open, because reading them again is much cheaper than opening them. Linux only. */
export class ProcMeter {
  readonly #stat: number;
  readonly #memory: number;
  readonly #buffer = Buffer.allocUnsafe(256);
  readonly #tasks: string;
  readonly #pid: number;
  #closed = false;

  /** @throws Error if there is no such process, or no /proc */
  constructor(pid: number) {
    this.#pid = pid;
    this.#tasks = `/proc/${pid}/task`;
    // CPU time, in nanoseconds, of the main thread, which runs the cranks.
    this.#stat = openSync(`/proc/${pid}/schedstat`, 'r');
    this.#memory = openSync(`/proc/${pid}/statm`, 'r');
  }

  read(): ProcessMeter | undefined {
    if (this.#closed) return undefined;
    try {
      const cpu_ms = Number(this.#field(this.#stat, 0)) / 1e6;
      const rss_mib = Number(this.#field(this.#memory, 1)) * PAGE_MIB;
      return { cpu_ms, rss_mib, children: parents().has(this.#pid) };
    } catch {
      return undefined;
    }
  }

  /** Whether every thread of the process has been stopped by a signal. */
  stopped(): boolean | undefined {
    if (this.#closed) return undefined;
    try {
      return readdirSync(this.#tasks).every(
        (thread) => readFileSync(`${this.#tasks}/${thread}/stat`, 'latin1').split(') ')[1]?.startsWith('T') === true,
      );
    } catch {
      return undefined;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#stat);
    closeSync(this.#memory);
  }

  #field(file: number, index: number): string {
    const length = readSync(file, this.#buffer, 0, this.#buffer.length, 0);
    return this.#buffer.toString('latin1', 0, length).split(' ')[index] ?? '0';
  }
}

/** How long a list of all processes is reused, since making it takes milliseconds. */
const PARENTS_MS = 1_000;
let seen: { readonly at: number; readonly parents: ReadonlySet<number> } | undefined;

/** Ids of the processes that have children. */
function parents(): ReadonlySet<number> {
  const now = performance.now();
  if (seen === undefined || now - seen.at > PARENTS_MS) seen = { at: now, parents: new Set(processes().map(({ parent }) => parent)) };
  return seen.parents;
}

/** Id of the first child of a process, outside of pid namespaces. */
export function childOf(pid: number): number | undefined {
  return processes().find(({ parent }) => parent === pid)?.pid;
}

function processes(): { readonly pid: number; readonly parent: number }[] {
  const found: { pid: number; parent: number }[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The fields after the name (which may contain anything) are the state and the parent.
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      found.push({ pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[1]) });
    } catch {
      // The process is gone.
    }
  }
  return found;
}
