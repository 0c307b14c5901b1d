/** Starts cells as processes of this machine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { CellLauncher, CellProcess, CellProcessEvents, ExitCause } from '@corral/protocol/ports/machine';
import type { CellGroup, CellGroups } from './cgroups.ts';
import { KernelLog } from './kernel-log.ts';
import { childOf, ProcMeter } from './meter.ts';
import { callName } from './seccomp.ts';
import { Received } from './received.ts';
import { Sender } from './sender.ts';
import { CELL_ENVIRONMENT, cellCommand, type CommandLine, type Walls } from './walls.ts';

/** Niceness of cells. It is higher than the supervisor's, so that a busy guest does not delay a kill. */
const NICE = 5;
/** Niceness of a cell with a long crank, so that the other cells go before it. */
const NICE_COMPUTING = 19;
/** Only root may raise a lowered priority again, so others do not lower it further. */
const MAY_RAISE = process.getuid?.() === 0;
/** If memory runs out, the kernel kills cells before any other process (Linux, `oom_score_adj`). */
const OOM_FIRST = '1000';
/** Exit code by which a shell or a sandbox in between reports that the process was ended for a system call. */
const FORBIDDEN_CALL = 128 + constants.signals.SIGSYS;
/** Characters that are kept of the end of a cell's error output. */
const LAST_WORDS = 4_000;
/** Time between two looks for a process whose pid is not reported. */
const FIND_MS = 5;
/** Characters of its error output that are read; a sound cell writes none. */
const WORDS = 1_000_000;
/** How long to wait for error output after the exit. */
const LAST_WORDS_MS = 50;

export interface LauncherOptions {
  /** Control groups into which cells are put. */
  readonly groups?: CellGroups | undefined;
  /** The command that starts the nth cell. */
  readonly commandOf?: (nth: number) => CommandLine;
}

export class ProcessLauncher implements CellLauncher {
  readonly #commandOf: (nth: number) => CommandLine;
  readonly #groups: CellGroups | undefined;
  readonly #log = new KernelLog();
  #launched = 0;

  constructor(walls: Walls, { groups, commandOf = (nth) => cellCommand(walls, nth) }: LauncherOptions = {}) {
    this.#commandOf = commandOf;
    this.#groups = groups;
  }

  launch(events: CellProcessEvents): CellProcess {
    this.#launched += 1;
    return new LocalCell(this.#commandOf(this.#launched), events, { log: this.#log, group: this.#groups?.next() });
  }
}

interface Around {
  readonly log: KernelLog;
  readonly group: CellGroup | undefined;
}

class LocalCell implements CellProcess {
  readonly #socket: Duplex;
  readonly #sender: Sender;
  readonly #received: Received;
  readonly #forks: boolean;
  readonly #kill: () => void;
  /** Finds the cell's pid if the cell is a grandchild whose pid is not reported. */
  readonly #find: () => void;
  #pid: number | undefined;
  #meter: ProcMeter | undefined;
  #gone = false;
  readonly #group: CellGroup | undefined;
  #lastWords = '';
  readonly #found = Promise.withResolvers<undefined>();

  constructor({ command, args, statusDescriptor, forks, filter }: CommandLine, events: CellProcessEvents, { log, group }: Around) {
    const more = [statusDescriptor, filter?.descriptor].filter((descriptor) => descriptor !== undefined);
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', ...more.map(() => 'pipe' as const)],
      env: { ...CELL_ENVIRONMENT },
      cwd: '/',
      // A process group of its own, which includes the processes that bubblewrap forks during its setup, so that all are killed together.
      detached: process.platform !== 'win32',
    });
    this.#forks = forks;
    this.#kill = () => killGroup(child);
    this.#find = () => {
      if (forks && !this.#gone && this.#pid === undefined && child.pid !== undefined) this.#setPid(childOf(child.pid));
    };
    this.#socket = child.stdio[3] as Duplex;
    this.#sender = new Sender(this.#socket);
    this.#received = new Received(this.#sender, events.onBytes);
    this.#socket.once('data', () => this.#find());
    this.#socket.on('data', (bytes: Buffer) => this.#received.take(bytes));
    // A cell that dies while we write to it is reported by its exit.
    this.#socket.on('error', () => undefined);

    let said = 0;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS);
      said += text.length;
      // Reading it would keep the event loop busy for as long as the cell likes. A process whose error output is closed cannot write to it.
      if (said > WORDS) child.stderr?.destroy();
    });
    let exited = false;
    const exit = (code: number | null, signal: string | null) => {
      if (exited) return;
      exited = true;
      const pid = this.#pid;
      this.#gone = true;
      this.#found.resolve(undefined);
      this.#meter?.close();
      const report = (cause?: ExitCause) =>
        events.onExit({ code, signal, lastWords: this.#lastWords, ...(cause === undefined ? {} : { cause }) });
      const full = group?.isOutOfMemory === true;
      group?.remove();
      if (full) report({ kind: 'memory' });
      else if (filter === undefined || code !== FORBIDDEN_CALL) report();
      else void forbidden(log, pid).then(report);
    };
    child.on('error', (error) => {
      this.#lastWords += error.message;
      exit(null, null);
    });
    // A process that it left behind may still have its descriptors open; the end of the cell must be reported nevertheless.
    child.on('exit', (code, signal) => {
      const enough = setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
        exit(code, signal);
      }, LAST_WORDS_MS);
      child.once('close', () => {
        clearTimeout(enough);
        exit(code, signal);
      });
    });

    this.#group = group;
    if (group !== undefined && child.pid !== undefined) {
      this.#sender.hold();
      void this.#place(group, child.pid);
    }
    // A cell inherits this from its sandbox if it is started after it.
    if (child.pid !== undefined) lower(child.pid);
    if (filter !== undefined) {
      const pipe = child.stdio[filter.descriptor] as Writable;
      // bubblewrap reports what it could not read.
      pipe.on('error', () => undefined);
      pipe.end(filter.program);
    }
    if (statusDescriptor === undefined) {
      if (!forks) this.#setPid(child.pid);
    } else this.#readStatus(child.stdio[statusDescriptor] as Readable);
  }

  get pid(): number | undefined {
    return this.#gone ? undefined : this.#pid;
  }

  write(bytes: Buffer): void {
    if (!this.#gone) this.#sender.write(bytes);
  }

  unsent(): number {
    return this.#gone ? 0 : this.#sender.unsent;
  }

  freeze(): boolean {
    return this.#signal('SIGSTOP');
  }

  thaw(): boolean {
    return this.#signal('SIGCONT');
  }

  stopped(): boolean | undefined {
    return this.#gone ? true : this.#meter?.stopped();
  }

  kill(): void {
    this.#find();
    // The cell itself first: it would die with bubblewrap too, but a moment later.
    const sent = this.#signal('SIGKILL');
    // `unshare` is not killed if the cell was: it ends by itself once the cell is really gone, and the exit is reported only then.
    if (!sent || !this.#forks) this.#kill();
  }

  demote(behind: boolean): void {
    this.#group?.weigh(behind ? NICE_COMPUTING : NICE);
    if (this.#gone || this.#pid === undefined || !MAY_RAISE) return;
    try {
      setPriority(this.#pid, behind ? NICE_COMPUTING : NICE);
    } catch {
      // The process is gone, or this platform has no priorities.
    }
  }

  meter() {
    return this.#gone ? undefined : this.#meter?.read();
  }

  #signal(signal: NodeJS.Signals): boolean {
    if (this.#gone || this.#pid === undefined) return false;
    try {
      return process.kill(this.#pid, signal);
    } catch {
      return false;
    }
  }

  /** bubblewrap writes JSON objects, one a line, the first with the pid of the cell as this machine sees it. */
  #readStatus(status: Readable): void {
    let text = '';
    status.setEncoding('utf8').on('data', (chunk: string) => {
      if (this.#pid !== undefined) return;
      text += chunk;
      const found = /"child-pid":\s*(\d+)/.exec(text);
      if (found !== null) this.#setPid(Number(found[1]));
    });
    status.on('error', () => undefined);
  }

  /**
   * Puts the process into its group before it is told anything. Its sandbox may have started it before the sandbox itself was put there, so
   * both are. If that fails, the cell is killed: its memory would have no bound but the watch.
   */
  async #place(group: CellGroup, outer: number): Promise<void> {
    try {
      await group.add(outer);
      while (this.#forks && this.#pid === undefined && !this.#gone) {
        this.#find();
        if (this.#pid === undefined) await new Promise((resolve) => setTimeout(resolve, FIND_MS));
      }
      await this.#found.promise;
      if (this.#pid !== undefined && this.#pid !== outer) await group.add(this.#pid);
      group.weigh(NICE);
    } catch (error) {
      if (this.#gone) return;
      this.#lastWords += `The cell could not be put into its control group: ${error instanceof Error ? error.message : String(error)}`;
      return this.kill();
    }
    this.#sender.release();
  }

  #setPid(pid: number | undefined): void {
    if (pid === undefined || this.#gone) return;
    this.#pid = pid;
    // The sandbox may have started it before the sandbox itself was lowered.
    lower(pid);
    this.#found.resolve(undefined);
    try {
      this.#meter = new ProcMeter(pid);
    } catch {
      // No /proc: the watchdog then uses elapsed time only.
    }
  }
}

function lower(pid: number): void {
  try {
    setPriority(pid, NICE);
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_FIRST);
  } catch {
    // The process is gone already, or this platform has no priorities.
  }
}

async function forbidden(log: KernelLog, pid: number | undefined): Promise<ExitCause> {
  const call = pid === undefined ? undefined : await log.callOf(pid);
  return { kind: 'call', call: call === undefined ? undefined : callName(call, process.arch) };
}

/** Kills a process and the rest of its process group. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone, or was never made.
  }
  child.kill('SIGKILL');
}
