/**
 * Keeps one process running for the tools of one tenant. The process is started at the first call and replaced when it dies or an
 * exception in it was not caught. Each failure in a row doubles the delay before the next start.
 */
import { MACHINE } from '@corral/protocol/limits';
import type { Json } from '@corral/protocol/json';
import type { ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import type { ToolProcess, ProcessEvents, Trial } from './process.ts';

/** Events of tool processes, for operators. */
export interface ToolNews {
  readonly kind: 'output' | 'uncaught' | 'ended' | 'restarted' | 'broken' | 'suspended';
  /** A line that a tool wrote, an exception with its stack, or the reason why the process ended. */
  readonly text: string;
  /** The tool whose call caused it, if known. */
  readonly tool?: string;
  /** The source whose tools are `suspended`: `mcp:crm`. */
  readonly source?: string;
}

export interface KeeperOptions {
  /** @param stuck_ms the process is killed after this time without an answer to a ping */
  readonly process: (events: ProcessEvents, stuck_ms: number) => ToolProcess;
  /** Loads the code into a new process. @throws if its tools differ from those that were loaded first */
  readonly load: (process: ToolProcess) => Promise<void>;
  /** Whether a lost process is replaced. */
  readonly lasts: () => boolean;
  /** Whether a check of the tool's arguments may never end. */
  readonly mayHang: (tool: string) => boolean;
  readonly tell: (news: ToolNews) => void;
}

/** Attempts at a check whose processes are lost for reasons that may lie elsewhere. */
const CHECKS = 3;
const BACKOFF_MS = 200;
const BACKOFF_MOST_MS = 30_000;
/** After this lifetime the failures in a row are counted from 0 again. */
const WELL_MS = 60_000;
/** The cost of an attempt that was not started. */
const FREE = { tokens: 0, money_micros: 0 };

/** The result of a call that was not started, and may be made again. */
export const notStarted = (name: string, why: string): ToolResult => ({
  kind: 'failed',
  message: `${name} was not started: ${why}.`,
  retryable: true,
  cost: FREE,
});

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #kind: 'call' | 'check';
  /**
   * Checks arguments before the call is made, for tools whose check may never end: a check that hangs there does not block any call. It
   * is another process with the same code.
   */
  #checks: Keeper | undefined;
  /**
   * Repeats checks that were lost together with others, one at a time: if the process is lost again, the check in it is to blame. It is
   * separate from `#checks`, so that other checks do not wait, and is closed after the last repeated one.
   */
  #alone: Keeper | undefined;
  #suspects = 0;
  /** Settles after the last repeated check. */
  #turns: Promise<unknown> = Promise.resolve();
  #process: ToolProcess | undefined;
  /** Settles when the new process is ready, or could not be started. */
  #starting: Promise<ToolProcess | undefined> | undefined;
  #started = performance.now();
  #failures = 0;
  #calls = 0;
  /** Whether a process was ever started, or tried to start. */
  #begun = false;
  #used = performance.now();
  /** No new calls are accepted. */
  #closed = false;
  /** Calls that were under way at `close` have ended too; their answers get no more trials. */
  #over = false;

  constructor(options: KeeperOptions, kind: 'call' | 'check' = 'call') {
    this.#options = options;
    this.#kind = kind;
  }

  /** Starts the first process, without loading code. */
  begin(): ToolProcess {
    this.#begun = true;
    return (this.#process = this.#made());
  }

  /** Time of the last call, in milliseconds of the host's monotonic clock; undefined while a call is under way. */
  get idleSince(): number | undefined {
    return this.#calls > 0 ? undefined : this.#used;
  }

  async invoke(name: string, call: Trial): Promise<ToolResult> {
    this.#calls += 1;
    try {
      if (this.#kind === 'call' && this.#options.mayHang(name)) {
        const refusal = await this.#refusalOf(name, call);
        if (refusal !== undefined) return refusal;
      }
      if (this.#process === undefined) this.#replace();
      const process = this.#process?.alive === true ? this.#process : await this.#another(call.signal);
      if (process === undefined || call.signal.aborted) return notStarted(name, 'the process of the tools is not running');
      return await process.invoke(name, call, this.#kind);
    } finally {
      this.#calls -= 1;
      this.#used = performance.now();
    }
  }

  /** Accepts no more calls; those under way have `within_ms` to end. */
  async close(within_ms: number): Promise<void> {
    this.#closed = true;
    const process = this.#process ?? (await this.#starting);
    this.#process = undefined;
    await process?.retire(within_ms);
    // Set only now, because the answer of a call under way may need a trial.
    this.#over = true;
    await Promise.all([this.#checks?.close(0), this.#alone?.close(0)]);
  }

  /**
   * The refusal of a value that a call returned; undefined: it fits. The tool has already acted, so the result must not be "not started",
   * and the answer of a call that was given up is tried like any other.
   */
  async #refusalOfAnswer(name: string, call: ToolCall, value: Json): Promise<ToolResult | undefined> {
    const refusal = await this.#refusalOf(name, { ...call, input: value, of: 'output', signal: new AbortController().signal });
    if (refusal === undefined || (refusal.kind === 'failed' && refusal.code === 'CORRAL_RESULT_INVALID')) return refusal;
    return { kind: 'failed', message: `What ${name} answered could not be checked.`, code: 'CORRAL_RESULT_INVALID' };
  }

  /** The refusal of arguments before the call is made; undefined: they fit. */
  async #refusalOf(name: string, call: Trial): Promise<ToolResult | undefined> {
    this.#checks ??= new Keeper(this.#options, 'check');
    for (let i = 0; i < CHECKS && !call.signal.aborted && !this.#over; i++) {
      const checked = await (i === 0 ? this.#checks.invoke(name, call) : this.#checkedAlone(name, call));
      if (checked.kind === 'ok') return undefined;
      if (checked.kind === 'failed') return call.signal.aborted ? notStarted(name, 'it was given up') : checked;
    }
    return notStarted(name, call.signal.aborted ? 'it was given up' : 'its arguments could not be checked');
  }

  #checkedAlone(name: string, call: Trial): Promise<ToolResult> {
    this.#suspects += 1;
    const turn = this.#turns.then(async () => {
      try {
        if (call.signal.aborted || this.#over || (this.#closed && call.of === undefined)) return notStarted(name, 'it was given up');
        return await (this.#alone ??= new Keeper(this.#options, 'check')).invoke(name, call);
      } finally {
        this.#suspects -= 1;
        // An aborted check may still be running in this process, so the next one gets a new process to be alone in.
        if (this.#suspects === 0 || call.signal.aborted) {
          void this.#alone?.close(0);
          this.#alone = undefined;
        }
      }
    });
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  #made(): ToolProcess {
    const { tell } = this.#options;
    const stuck_ms = this.#kind === 'call' ? MACHINE.tool_stuck_ms.default : MACHINE.tool_check_ms.default;
    const events: ProcessEvents = {
      output: (text) => tell({ kind: 'output', text }),
      uncaught: (text, tool) => {
        tell({ kind: 'uncaught', text, ...(tool === undefined ? {} : { tool }) });
        // This process keeps its calls; new ones go to its replacement once that is ready.
        if (this.#process === process) this.#replace();
      },
      tryAnswer: (tool, call, value) => this.#refusalOfAnswer(tool, call, value),
      ended: (why) => {
        if (this.#process !== process) return;
        this.#process = undefined;
        if (!this.#options.lasts()) return;
        tell({ kind: 'ended', text: `${this.#called} ended: ${why}.` });
        this.#replace();
      },
    };
    const process = this.#options.process(events, stuck_ms);
    return process;
  }

  get #called(): string {
    return this.#kind === 'call' ? 'The process of the tools' : 'The process that checks the arguments of tools';
  }

  /** The process that is being started, or undefined if it is not ready in time. */
  async #another(signal: AbortSignal): Promise<ToolProcess | undefined> {
    if (this.#closed || this.#starting === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), MACHINE.tool_wait_ms.default);
    const give = () => resolve(undefined);
    signal.addEventListener('abort', give, { once: true });
    try {
      return await Promise.race([this.#starting, promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
    }
  }

  /** Starts another process in the background, after a delay that grows with each failure in a row. */
  #replace(): void {
    if (this.#closed || this.#starting !== undefined || !this.#options.lasts()) return;
    // Arguments that agents send can end a process of checks, so it is always replaced without delay.
    if (performance.now() - this.#started > WELL_MS || this.#kind === 'check') this.#failures = 0;
    const wait_ms = this.#failures === 0 ? 0 : Math.min(BACKOFF_MS * 2 ** (this.#failures - 1), BACKOFF_MOST_MS);
    const again = this.#begun;
    if (again) this.#failures += 1;
    this.#begun = true;
    this.#starting = (async () => {
      await new Promise<void>((resolve) => setTimeout(resolve, wait_ms).unref());
      const next = this.#closed ? undefined : await this.#start();
      const before = this.#process;
      this.#starting = undefined;
      if (this.#closed || next === undefined) {
        next?.kill('it is not needed');
        if (!this.#closed) this.#replace();
        return undefined;
      }
      this.#process = next;
      this.#started = performance.now();
      if (again) this.#options.tell({ kind: 'restarted', text: `${this.#called} was started again.` });
      void before?.retire(MACHINE.tool_drain_ms.default);
      return next;
    })();
  }

  async #start(): Promise<ToolProcess | undefined> {
    const process = this.#made();
    try {
      await this.#options.load(process);
      return process;
    } catch (error) {
      process.kill('it could not be loaded');
      this.#options.tell({ kind: 'broken', text: `${this.#called} could not be started again: ${(error as Error).message}.` });
      return undefined;
    }
  }
}
