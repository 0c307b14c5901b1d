/** Measures a process by /proc, from outside, so that the process cannot falsify the result. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { ProcessMeter } from '@corral/protocol/ports/machine';

const PAGE_MIB = 4096 / (1024 * 1024);
/** Milliseconds of one tick, the unit of CPU time in `stat` (USER_HZ, which is 100 on every Linux). */
const TICK_MS = 10;
/** How long what is slower to read is used again: CPU time in ticks, and the rest. Milliseconds. */
const OFTEN_MS = 2 * TICK_MS;
const RARELY_MS = 100;

/** Keeps files of /proc open, because reading them again is much cheaper than opening them. Linux only. */
export class ProcMeter {
  readonly #main: number;
  readonly #all: number;
  readonly #memory: number;
  readonly #status: number;
  readonly #buffer = Buffer.allocUnsafe(4096);
  readonly #tasks: string;
  readonly #pid: number;
  #often: { readonly at: number; readonly all_cpu_ms: number } | undefined;
  #rarely: { readonly at: number; readonly hidden_mib: number; readonly children: boolean } | undefined;
  #closed = false;

  /** @throws Error if there is no such process, or no /proc */
  constructor(pid: number) {
    this.#pid = pid;
    this.#tasks = `/proc/${pid}/task`;
    // CPU time, in nanoseconds, of the main thread, which runs the cranks.
    this.#main = openSync(`/proc/${pid}/schedstat`, 'r');
    // CPU time of all threads, those that have ended included.
    this.#all = openSync(`/proc/${pid}/stat`, 'r');
    this.#memory = openSync(`/proc/${pid}/statm`, 'r');
    this.#status = openSync(`/proc/${pid}/status`, 'r');
  }

  read(): ProcessMeter | undefined {
    if (this.#closed) return undefined;
    try {
      const cpu_ms = Number(this.#text(this.#main).split(' ')[0]) / 1e6;
      const { hidden_mib, children } = this.#readRarely();
      const rss_mib = Number(this.#text(this.#memory).split(' ')[1]) * PAGE_MIB + hidden_mib;
      return { cpu_ms, all_cpu_ms: this.#allCpu_ms(), rss_mib, children };
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
    for (const file of [this.#main, this.#all, this.#memory, this.#status]) closeSync(file);
  }

  #allCpu_ms(): number {
    const now = performance.now();
    if (this.#often === undefined || now - this.#often.at > OFTEN_MS) this.#often = { at: now, all_cpu_ms: this.#ticks() * TICK_MS };
    return this.#often.all_cpu_ms;
  }

  #ticks(): number {
    const text = this.#text(this.#all);
    // The name before it may contain anything. The fields after it begin with the third; 14 and 15 are user and system time.
    const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  }

  #readRarely(): { readonly hidden_mib: number; readonly children: boolean } {
    const now = performance.now();
    if (this.#rarely === undefined || now - this.#rarely.at > RARELY_MS)
      this.#rarely = { at: now, hidden_mib: this.#hidden_mib(), children: this.#hasChildren() };
    return this.#rarely;
  }

  /** Memory of the process that is not resident: what was swapped out, and page tables, which may outlive the pages. */
  #hidden_mib(): number {
    const text = this.#text(this.#status);
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return (kib('VmPTE') + kib('VmSwap')) / 1024;
  }

  #hasChildren(): boolean {
    try {
      return readdirSync(this.#tasks).some((thread) => readFileSync(`${this.#tasks}/${thread}/children`, 'latin1') !== '');
    } catch {
      // A kernel without these files, or a thread that has just ended.
      return parents().has(this.#pid);
    }
  }

  #text(file: number): string {
    return this.#buffer.toString('latin1', 0, readSync(file, this.#buffer, 0, this.#buffer.length, 0));
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
