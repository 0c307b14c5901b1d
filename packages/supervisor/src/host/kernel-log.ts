/**
 * The kernel's log, which names the system call for which a process was ended. The exit of the process itself says only that there was
 * such a call. The log can be read by root, and by others where `kernel.dmesg_restrict` is 0. It writes process ids as the machine sees
 * them, so they are compared only if this process is in no pid namespace.
 */
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';

const PATH = '/dev/kmsg';
/** Name of the machine's own pid namespace (PROC_PID_INIT_INO in the kernel). */
const MACHINE_PIDS = 'pid:[4026531836]';
/** Records that are read at once. The log of a busy machine may have more; then the call stays unnamed. */
const MOST = 20_000;
/** A record of the kernel's own (facility 0; programs cannot write those) about a process that was ended by SIGSYS. */
const KILLED = /^[0-7],.*\btype=1326\b.*\bpid=(\d+)\b.*\bsig=31\b.*\bsyscall=(\d+)\b/;
/** Calls that are kept until they are asked for. Processes that are not cells have some as well. */
const KEPT = 1_000;
/** Milliseconds between two looks. The kernel writes the record a moment after it has ended the process. */
const AGAIN_MS = [0, 10, 40];

export class KernelLog {
  #descriptor: number | undefined;
  readonly #buffer = Buffer.allocUnsafe(8 * 1024);
  /** Calls that were read and not asked for yet, by process, the oldest first. */
  readonly #calls = new Map<number, number>();

  /** Number of the system call for which a process was ended; undefined if the log does not say. */
  async callOf(pid: number): Promise<number | undefined> {
    for (const wait_ms of AGAIN_MS) {
      if (wait_ms > 0) await new Promise((resolve) => setTimeout(resolve, wait_ms));
      if (!this.#read()) return undefined;
      const call = this.#calls.get(pid);
      if (call === undefined) continue;
      this.#calls.delete(pid);
      return call;
    }
    return undefined;
  }

  /** Whether the log can be read here. */
  get readable(): boolean {
    return this.#open() !== undefined;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number | undefined {
    try {
      if (readlinkSync('/proc/self/ns/pid') !== MACHINE_PIDS) return undefined;
      return (this.#descriptor ??= openSync(PATH, constants.O_RDONLY | constants.O_NONBLOCK));
    } catch {
      return undefined;
    }
  }

  #read(): boolean {
    const descriptor = this.#open();
    if (descriptor === undefined) return false;
    for (let i = 0; i < MOST; i++) {
      try {
        // Each read gives one record.
        const length = readSync(descriptor, this.#buffer, 0, this.#buffer.length, null);
        const found = KILLED.exec(this.#buffer.toString('latin1', 0, length));
        if (found !== null) this.#keep(Number(found[1]), Number(found[2]));
      } catch (error) {
        // EPIPE: older records were overwritten, and reading goes on with the oldest that is left. EAGAIN: there are no more.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return true;
      }
    }
    return true;
  }

  #keep(pid: number, call: number): void {
    this.#calls.delete(pid);
    this.#calls.set(pid, call);
    if (this.#calls.size > KEPT) this.#calls.delete(this.#calls.keys().next().value as number);
  }
}
