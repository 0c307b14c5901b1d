/**
 * The process in which the tools of one tenant run. It is started when it is needed, and replaced when it dies or when code in it threw
 * where nobody catches it: later each time that one did not last.
 */
import { MACHINE } from '@corral/protocol/limits';
import type { Json } from '@corral/protocol/json';
import type { ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import type { ToolProcess, ProcessEvents, Trial } from './process.ts';

/** What operators are told of the processes of tools. */
export interface ToolNews {
  readonly kind: 'output' | 'uncaught' | 'ended' | 'restarted' | 'broken';
  /** A line that tools wrote, an exception with its stack, or why the process ended. */
  readonly text: string;
  /** Whose call it came from, where that is known. */
  readonly tool?: string;
}

export interface KeeperOptions {
  /** @param stuck_ms how long it may not answer */
  readonly process: (events: ProcessEvents, stuck_ms: number) => ToolProcess;
  /** Loads the code into a process that was started. @throws where it is not what it was at first */
  readonly load: (process: ToolProcess) => Promise<void>;
  /** Whether a process that is lost is replaced. */
  readonly lasts: () => boolean;
  /** Whether a check of the tool's arguments may take for ever. */
  readonly mayHang: (tool: string) => boolean;
  readonly tell: (news: ToolNews) => void;
}

/** Processes in which a check is tried while none says what comes of it. */
const CHECKS = 3;
const BACKOFF_MS = 200;
const BACKOFF_MOST_MS = 30_000;
/** A process that lived so long was well. */
const WELL_MS = 60_000;
/** What an attempt that never began has cost. */
const FREE = { tokens: 0, money_micros: 0 };

/** A call that was not begun, and may be made again. */
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
   * Where arguments are checked before the call is made, if that may take for ever: what hangs there, hangs beside no call. It is a
   * process of the same code.
   */
  #checks: Keeper | undefined;
  /**
   * Where checks are tried again, one at a time, that were not alone under way when their process was lost: what is lost there is to blame.
   * Beside `#checks`, so that the next arguments do not wait for them; it ends with the last of them.
   */
  #alone: Keeper | undefined;
  #suspects = 0;
  /** Settles once the last of them has had its turn. */
  #turns: Promise<unknown> = Promise.resolve();
  #process: ToolProcess | undefined;
  /** Settles once there is a process again. */
  #starting: Promise<ToolProcess | undefined> | undefined;
  #started = performance.now();
  #failures = 0;
  #calls = 0;
  /** Whether it has had a process, or tried to have one. */
  #begun = false;
  #used = performance.now();
  /** It takes no call any more. */
  #closed = false;
  /** Nor does it try what those answer that were under way then. */
  #over = false;

  constructor(options: KeeperOptions, kind: 'call' | 'check' = 'call') {
    this.#options = options;
    this.#kind = kind;
  }

  /** Starts its first process, with nothing loaded. */
  begin(): ToolProcess {
    this.#begun = true;
    return (this.#process = this.#made());
  }

  /** When it had a call last, in ms of the host's clock; undefined while it has one. */
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
      if (process === undefined || call.signal.aborted) return notStarted(name, 'the process of the tools is not up');
      return await process.invoke(name, call, this.#kind);
    } finally {
      this.#calls -= 1;
      this.#used = performance.now();
    }
  }

  /** No call goes to it from now on; those under way have a while to end. */
  async close(within_ms: number): Promise<void> {
    this.#closed = true;
    const process = this.#process ?? (await this.#starting);
    this.#process = undefined;
    await process?.retire(within_ms);
    // Not before: what a call under way answers may need a trial.
    this.#over = true;
    await Promise.all([this.#checks?.close(0), this.#alone?.close(0)]);
  }

  /**
   * Why what a call answered is no result of its tool; undefined: it fits. The tool has done its work by then, so no refusal says that the
   * call was not begun. For the same reason the answer of a call that was given up has its trial like any other.
   */
  async #refusalOfAnswer(name: string, call: ToolCall, value: Json): Promise<ToolResult | undefined> {
    const refusal = await this.#refusalOf(name, { ...call, input: value, of: 'output', signal: new AbortController().signal });
    if (refusal === undefined || (refusal.kind === 'failed' && refusal.code === 'CORRAL_RESULT_INVALID')) return refusal;
    return { kind: 'failed', message: `What ${name} answered could not be checked.`, code: 'CORRAL_RESULT_INVALID' };
  }

  /** Why the call is not made; undefined: its arguments fit. */
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
        // One that is given up may still be at it, and the next one would not be alone.
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
        // It goes on with what it has, and makes room for another as soon as that is up.
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

  /** A process, where one comes in time. */
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

  /** Starts a process, later each time that one did not last. */
  #replace(): void {
    if (this.#closed || this.#starting !== undefined || !this.#options.lasts()) return;
    // What agents send ends a process that checks; those that come after must not wait for it.
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
