/** Peak memory of a host and of its cells, sampled from /proc. */
import { readFileSync } from 'node:fs';
import { family } from '../../processes.ts';

/** Time between two samples, and between two looks for new processes. Milliseconds. */
const SAMPLE_MS = 20;
const LOOK_MS = 100;
const PAGE_MIB = 4096 / 2 ** 20;

export interface Peak {
  readonly host_mib: number;
  /** The largest cell, and all cells at one moment. */
  readonly cell_mib: number;
  readonly cells_mib: number;
}

export class Memory {
  readonly #host: number;
  #cells: number[] = [];
  #looked = 0;
  #peak = { host_mib: 0, cell_mib: 0, cells_mib: 0 };
  readonly #timer: NodeJS.Timeout;

  constructor(host: number) {
    this.#host = host;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  /** The peak since the last call. */
  take(): Peak {
    this.#sample();
    const peak = this.#peak;
    this.#peak = { host_mib: 0, cell_mib: 0, cells_mib: 0 };
    return peak;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const at = performance.now();
    if (at - this.#looked > LOOK_MS) {
      this.#looked = at;
      this.#cells = family(this.#host)
        .map(({ pid }) => pid)
        .filter((pid) => isCell(pid));
    }
    const sizes = this.#cells.map((pid) => rss_mib(pid));
    this.#peak = {
      host_mib: Math.max(this.#peak.host_mib, rss_mib(this.#host)),
      cell_mib: Math.max(this.#peak.cell_mib, ...sizes),
      cells_mib: Math.max(
        this.#peak.cells_mib,
        sizes.reduce((sum, one) => sum + one, 0),
      ),
    };
  }
}

/** Processes that are gone have no memory. */
function rss_mib(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_MIB;
  } catch {
    return 0;
  }
}

const known = new Map<number, boolean>();

/** Cells, and the programs that set up their walls: those become cells, or stay small. */
function isCell(pid: number): boolean {
  const before = known.get(pid);
  if (before === true) return true;
  try {
    const is = readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('cell/dist/');
    known.set(pid, is);
    return is;
  } catch {
    return false;
  }
}
