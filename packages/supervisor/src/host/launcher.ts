/** Starts cells as processes of this machine. */
import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Duplex, Readable } from 'node:stream';
import type { CellLauncher, CellProcess, CellProcessEvents } from '@corral/protocol/ports';
import { ProcMeter } from './meter.ts';
import { CELL_ENVIRONMENT, cellCommand, type Walls } from './walls.ts';

/** Behind the supervisor on the CPU, so that a busy guest does not delay a kill. */
const NICE = 5;
/** Behind the other cells as well. */
const NICE_COMPUTING = 19;
/** Only root may raise a priority again that was lowered. */
const MAY_RAISE = process.getuid?.() === 0;
const LAST_WORDS = 4_000;

export class ProcessLauncher implements CellLauncher {
  readonly #walls: Walls;

  constructor(walls: Walls) {
    this.#walls = walls;
  }

  launch(events: CellProcessEvents): CellProcess {
    return new LocalCell(this.#walls, events);
  }
}

class LocalCell implements CellProcess {
  readonly #socket: Duplex;
  readonly #kill: () => void;
  #pid: number | undefined;
  #meter: ProcMeter | undefined;
  #gone = false;
  #corked = false;

  constructor(walls: Walls, events: CellProcessEvents) {
    const { command, args, statusDescriptor } = cellCommand(walls);
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', ...(statusDescriptor === undefined ? [] : (['pipe'] as const))],
      env: { ...CELL_ENVIRONMENT },
      cwd: '/',
    });
    this.#kill = () => child.kill('SIGKILL');
    this.#socket = child.stdio[3] as Duplex;
    this.#socket.on('data', events.onBytes);
    // A cell that dies while we write to it is reported by its exit.
    this.#socket.on('error', () => undefined);

    let lastWords = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-LAST_WORDS);
    });
    let exited = false;
    const exit = (code: number | null, signal: string | null) => {
      if (exited) return;
      exited = true;
      this.#gone = true;
      this.#meter?.close();
      events.onExit({ code, signal, lastWords });
    };
    child.on('error', (error) => {
      lastWords += error.message;
      exit(null, null);
    });
    child.on('close', exit);

    // bubblewrap hands its priority down.
    if (child.pid !== undefined) lower(child.pid);
    if (statusDescriptor === undefined) this.#setPid(child.pid);
    else this.#readStatus(child.stdio[statusDescriptor] as Readable);
  }

  get pid(): number | undefined {
    return this.#gone ? undefined : this.#pid;
  }

  write(bytes: Buffer): void {
    if (this.#gone) return;
    // What is written in one turn of the event loop leaves as one.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
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
    // The cell itself first: bubblewrap's death takes it along too, but a moment later.
    this.#signal('SIGKILL');
    this.#kill();
  }

  demote(behind: boolean): void {
    if (this.#gone || this.#pid === undefined || !MAY_RAISE) return;
    try {
      setPriority(this.#pid, behind ? NICE_COMPUTING : NICE);
    } catch {
      // It is gone, or this platform has no priorities.
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

  #setPid(pid: number | undefined): void {
    if (pid === undefined || this.#gone) return;
    this.#pid = pid;
    try {
      this.#meter = new ProcMeter(pid);
    } catch {
      // No /proc: the watch then goes by the clock alone.
    }
  }
}

function lower(pid: number): void {
  try {
    setPriority(pid, NICE);
  } catch {
    // It is gone already, or this platform has no priorities.
  }
}
