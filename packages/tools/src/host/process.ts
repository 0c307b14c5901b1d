/**
 * The host's side of one process that runs the code of a configuration: starts it, asks for its tools, makes calls, watches it and ends
 * it. The process is not trusted: it may answer nonsense, flood, hang, use up memory or die. In the worst case it is killed; the host is
 * never affected.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { costOf } from '@corral/protocol/model/cost';
import { CorralError } from '@corral/protocol/errors';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { Lines } from './lines.ts';
import { FrameReader, framed, type CallResult, type CodeFiles, type ToolDescription, type ToProcess } from './wire.ts';

/** Events of the process, besides answers to calls. */
export interface ProcessEvents {
  /** Code of the configuration wrote a line. */
  readonly output: (line: string) => void;
  /** An exception that nothing caught. The process goes on, and should be replaced. @param tool the tool whose call threw, if known */
  readonly uncaught: (detail: string, tool: string | undefined) => void;
  /** Checks the value that a call returned in another process. @returns the refusal if it does not fit, undefined if it fits */
  readonly tryAnswer: (tool: string, call: ToolCall, value: Json) => Promise<ToolResult | undefined>;
  /** The process has ended, for any reason; its calls are settled already. */
  readonly ended: (why: string) => void;
}

export interface ProcessOptions extends ProcessEvents {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** After this time without an answer to a ping the process is killed. Milliseconds. */
  readonly stuck_ms: number;
  /** Reads a secret on behalf of the tools. @param call the one that asks; undefined: code outside of calls */
  readonly secret: ReadSecret;
}

export type ReadSecret = (name: string, call: ToolCall | undefined) => Promise<string>;

export interface Loaded {
  readonly rest: Json;
  readonly makes: boolean;
  readonly files: CodeFiles;
}

/** A check of a call's arguments, or, with `of`, of the value that the call returned. */
export type Trial = ToolCall & { readonly of?: 'output' };

interface Call {
  readonly tool: string;
  readonly call: Trial;
  readonly settle: (result: ToolResult) => void;
  readonly kind: 'call' | 'check';
  /** The caller no longer waits for the answer. */
  aborted: boolean;
}

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
const PING_MS = 1_000;
/**
 * The same as `stuck_ms`, while all calls in the process were given up. Beside another one the process has the whole time: that may be the call
 * whose code computes, and it would end as `unknown` since its neighbour was given up or its capability was taken back. Arguments that passed their trial are checked again in this
 * process, because a value made by a transform may not fit into a message. The second check may take longer than the trial did and must
 * not end the process; hence twice the time of a trial.
 */
const GIVEN_UP_MS = 2 * MACHINE.tool_check_ms.default + PING_MS;
/** Number of finished calls whose tool is remembered, to attribute exceptions that come late. */
const REMEMBERED = 1_000;
const MIB = 1024 * 1024;
const PAGE = 4_096;
/** If memory runs out, the kernel kills this process before the host (Linux, `oom_score_adj`). */
const OOM_FIRST = '800';
/** Variables of the host's environment that tools must not see. */
const OURS: ReadonlySet<string> = new Set(['CORRAL_MASTER_KEY']);

/** Kills the process with all that its tools have started; neither is there once it has ended by itself. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

const text = z.string();
const cost = z.unknown().transform((said) => costOf(said));
const Result = z.union([
  z.object({ kind: z.literal('ok'), value: z.unknown(), cost: cost.optional() }),
  z.object({
    kind: z.literal('failed'),
    message: text,
    retryable: z.boolean().optional(),
    cost: cost.optional(),
    code: z.enum(['CORRAL_ARGS_INVALID', 'CORRAL_RESULT_INVALID', 'CORRAL_RESULT_TOO_LARGE']).optional(),
    detail: text.optional(),
  }),
  z.object({ kind: z.literal('unknown'), message: text, detail: text.optional() }),
]);
const file = z.object({ format: text, text });
/** Messages that the process may send; any other message ends it. */
const From = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('loaded'), rest: z.unknown(), makes: z.boolean(), files: z.record(text, file) }),
  z.object({ kind: z.literal('made'), tools: z.array(z.unknown()) }),
  z.object({ kind: z.literal('broken'), message: text, detail: text }),
  z.object({ kind: z.literal('result'), n: z.int(), result: z.unknown() }),
  z.object({ kind: z.literal('secret'), n: z.int(), name: text, call: z.int().nullable() }),
  z.object({ kind: z.literal('answer'), n: z.int(), value: z.unknown() }),
  z.object({ kind: z.literal('began'), n: z.int() }),
  z.object({ kind: z.literal('pong'), n: z.int() }),
  z.object({ kind: z.literal('uncaught'), n: z.int().nullable(), detail: text }),
]);
type FromProcess = z.infer<typeof From>;

export class ToolProcess {
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  /** Tools of the latest finished calls, to attribute exceptions that come after the answer. */
  readonly #answered = new Map<number, string>();
  readonly #watch: NodeJS.Timeout;
  #asked: { readonly give: (said: FromProcess) => void; readonly fail: (error: Error) => void } | undefined;
  #next = 0;
  /** Checks that have begun and have no answer yet, including those whose caller no longer waits. */
  readonly #begun = new Set<number>();
  /** Time of the ping that is not answered yet. */
  #pinged: number | undefined;
  #idle: (() => void) | undefined;
  #over: string | undefined;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const env = Object.fromEntries(Object.entries(options.env).filter(([name]) => !OURS.has(name)));
    const heap = MACHINE.tool_memory_mib.default;
    this.#child = spawn(process.execPath, [`--max-old-space-size=${heap}`, '--enable-source-maps', CHILD], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A process group of its own: Ctrl-C in a terminal and a stop of a whole group reach the host alone, which lets calls under way finish.
      detached: process.platform !== 'win32',
    });
    this.#socket = this.#child.stdio[3] as Socket;
    const reader = new FrameReader(MACHINE.tool_frame_bytes.default);
    this.#socket.on('data', (chunk: Buffer) => this.#take(reader, chunk));
    this.#socket.on('error', () => this.#lost('its socket broke'));
    this.#socket.on('close', () => this.#lost('it closed its socket'));
    this.#child.on('error', (error) => this.#lost(`it could not be started: ${error.message}`));
    this.#child.on('exit', (code, signal) => this.#lost(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      const lines = new Lines(options.output);
      stream?.on('data', (chunk: Buffer) => lines.push(chunk));
      // The last line may end without a newline.
      stream?.on('close', () => lines.end());
    }
    this.#watch = setInterval(() => this.#look(), PING_MS);
    this.#watch.unref();
    // An idle process of tools does not keep the host from exiting.
    this.#child.unref();
    this.#socket.unref();
    for (const stream of [this.#child.stdout, this.#child.stderr]) (stream as unknown as { unref?: () => void } | null)?.unref?.();
    sacrifice(this.#child.pid);
  }

  /** @throws CORRAL_CONFIG_INVALID */
  async load(url: string, lent: Readonly<Record<string, string>>, files: CodeFiles): Promise<Loaded> {
    const said = await this.#ask({ kind: 'load', url, lent, files });
    if (said.kind !== 'loaded') throw new CorralError('CORRAL_CONFIG_INVALID', `it said ${said.kind}`);
    return { rest: said.rest as Json, makes: said.makes, files: said.files };
  }

  /** Descriptions of the tools, not validated yet. @throws CORRAL_CONFIG_INVALID */
  async make(): Promise<readonly ToolDescription[]> {
    const said = await this.#ask({ kind: 'make' });
    if (said.kind !== 'made') throw new CorralError('CORRAL_CONFIG_INVALID', `it said ${said.kind}`);
    return said.tools as ToolDescription[];
  }

  /** Whether the process takes calls. */
  get alive(): boolean {
    return this.#over === undefined;
  }

  /**
   * Makes a call or a check; never rejects. A `check` is `ok` if the value fits. If the process is lost, the check is refused if it was
   * the only one that had begun, since then it is to blame; otherwise it is `unknown`. It is `unknown` also once it is given up.
   */
  invoke(tool: string, call: Trial, kind: 'call' | 'check' = 'call'): Promise<ToolResult> {
    const n = (this.#next += 1);
    const { input, idempotency_key, attempt, run, tenant, agent, person, signal, of, traceparent } = call;
    const { promise, resolve } = Promise.withResolvers<ToolResult>();
    const abort = () => {
      const going = this.#calls.get(n);
      if (going === undefined) return;
      going.aborted = true;
      const { name, message } = signal.reason instanceof Error ? signal.reason : new DOMException('The call was given up.', 'AbortError');
      this.#send({ kind: 'abort', n, name, message });
      // A check has no effects, so it can be settled at once; checks do not receive the abort signal.
      if (kind === 'check') going.settle({ kind: 'unknown', message: `The check of ${checkedIn(tool, of)} was given up.` });
      this.#look();
    };
    this.#calls.set(n, {
      tool,
      call,
      kind,
      aborted: false,
      settle: (result) => {
        this.#calls.delete(n);
        this.#answered.set(n, tool);
        this.#answered.delete(n - REMEMBERED);
        signal.removeEventListener('abort', abort);
        resolve(result);
        if (this.#calls.size > 0) return;
        this.#socket.unref();
        this.#idle?.();
      },
    });
    // A call under way keeps the host alive; an idle process does not.
    this.#socket.ref();
    signal.addEventListener('abort', abort);
    const asked = { n, tool, input, idempotency_key, attempt, run, tenant, agent, person };
    const traced = traceparent === undefined ? {} : { traceparent };
    const sent = this.#send({ kind, ...asked, ...traced, ...(of === undefined ? {} : { of }) });
    if (!sent)
      this.#calls
        .get(n)
        ?.settle({ kind: 'failed', message: `The arguments are larger than ${tool} can be given.`, code: 'CORRAL_ARGS_INVALID' });
    return promise;
  }

  /** Kills the process once its calls have ended, or after `within_ms`. */
  async retire(within_ms: number): Promise<void> {
    if (this.#calls.size > 0 && this.alive) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const timer = setTimeout(resolve, within_ms);
      await promise;
      clearTimeout(timer);
    }
    this.#begun.clear();
    this.kill('its host has replaced it');
  }

  kill(why: string): void {
    killGroup(this.#child);
    this.#lost(why);
  }

  async #ask(message: ToProcess): Promise<FromProcess> {
    if (this.#over !== undefined) throw new CorralError('CORRAL_CONFIG_INVALID', `its process was lost: ${this.#over}`);
    const { promise, resolve, reject } = Promise.withResolvers<FromProcess>();
    this.#asked = { give: resolve, fail: reject };
    const most = MACHINE.tool_load_ms.default;
    const timer = setTimeout(() => this.kill(`it did not load within ${most} ms`), most);
    if (!this.#send(message)) this.kill('its files are too large');
    try {
      const said = await promise;
      if (said.kind !== 'broken') return said;
      throw new CorralError('CORRAL_CONFIG_INVALID', said.message, { cause: said.detail });
    } finally {
      clearTimeout(timer);
      this.#asked = undefined;
    }
  }

  #send(message: ToProcess): boolean {
    if (this.#over !== undefined) return true;
    const frame = framed(message, MACHINE.tool_frame_bytes.default);
    if (frame !== undefined) this.#socket.write(frame);
    return frame !== undefined;
  }

  #take(reader: FrameReader, chunk: Buffer): void {
    try {
      for (const said of reader.push(chunk)) if (this.#over === undefined) this.#hear(From.parse(said));
    } catch {
      this.kill('it sent a message that its host does not understand');
    }
  }

  #hear(said: FromProcess): void {
    switch (said.kind) {
      case 'pong':
        this.#pinged = undefined;
        return;
      case 'began':
        this.#begun.add(said.n);
        // The time of the check counts from here, and not from the next regular ping.
        this.#ping();
        return;
      case 'answer': {
        const going = this.#calls.get(said.n);
        if (going === undefined) return;
        void this.#options.tryAnswer(going.tool, going.call, said.value as Json).then(
          (refusal) => this.#send({ kind: 'tried', n: said.n, refusal: (refusal ?? null) as CallResult | null }),
          () => undefined,
        );
        return;
      }
      case 'result': {
        this.#begun.delete(said.n);
        const call = this.#calls.get(said.n);
        const result = Result.safeParse(said.result);
        if (result.success) call?.settle(result.data as ToolResult);
        else
          call?.settle({ kind: 'failed', message: `${call.tool} returned something that is not a result.`, code: 'CORRAL_RESULT_INVALID' });
        return;
      }
      case 'secret':
        // One that is no longer under way has no caller: what it left behind may not read on its behalf.
        void this.#options.secret(said.name, said.call === null ? undefined : this.#calls.get(said.call)?.call).then(
          (value) => this.#send({ kind: 'secret', n: said.n, value }),
          (error: unknown) => this.#send({ kind: 'no_secret', n: said.n, message: error instanceof Error ? error.message : 'no secret' }),
        );
        return;
      case 'uncaught': {
        const call = said.n === null ? undefined : this.#calls.get(said.n);
        this.#options.uncaught(said.detail, call?.tool ?? (said.n === null ? undefined : this.#answered.get(said.n)));
        // The call may still answer, but the answer cannot be trusted; its effects are unknown.
        call?.settle({ kind: 'unknown', message: `${call.tool} threw while it worked, outside of what it awaits.`, detail: said.detail });
        this.#asked?.fail(new CorralError('CORRAL_CONFIG_INVALID', said.detail.split('\n', 1)[0] ?? '', { cause: said.detail }));
        return;
      }
      case 'loaded':
      case 'made':
      case 'broken':
        this.#asked?.give(said);
    }
  }

  /** Runs every second, and when a call is given up: kills a process that does not answer or uses too much memory. */
  #look(): void {
    if (this.#over !== undefined) return;
    const now = performance.now();
    if (this.#pinged !== undefined) {
      const silent_ms = now - this.#pinged;
      const given_up = this.#calls.size > 0 && this.#calls.values().every(({ aborted }) => aborted);
      if (silent_ms > this.#options.stuck_ms || (given_up && silent_ms > GIVEN_UP_MS))
        return this.kill(`it did not answer its host for ${Math.round(silent_ms)} ms`);
    } else if (this.#calls.size > 0 || this.#asked !== undefined) this.#ping();
    const resident = residentOf(this.#child.pid);
    const most = MACHINE.tool_memory_mib.default * 2 * MIB;
    if (resident > most) this.kill(`it took ${Math.round(resident / MIB)} MiB of memory`);
  }

  #ping(): void {
    if (this.#pinged !== undefined) return;
    this.#pinged = performance.now();
    this.#send({ kind: 'ping', n: 0 });
  }

  /** Settles all calls after the process has ended. Their effects are unknown, except those of a lone check. */
  #lost(why: string): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    clearInterval(this.#watch);
    this.#child.kill('SIGKILL');
    this.#socket.destroy();
    this.#asked?.fail(new CorralError('CORRAL_CONFIG_INVALID', `its process was lost: ${why}`));
    const detail = `The process of the tools ended: ${why}.`;
    for (const [n, call] of this.#calls)
      if (this.#begun.size === 1 && this.#begun.has(n)) call.settle({ ...notCheckable(call.tool, call.call.of), detail });
      else call.settle({ kind: 'unknown', message: `The process of ${call.tool} was lost while it ran.`, detail });
    this.#options.ended(why);
  }
}

const checkedIn = (tool: string, of: 'output' | undefined) => (of === undefined ? `${tool}'s arguments` : `what ${tool} answered`);

function notCheckable(tool: string, of: 'output' | undefined): ToolResult & { readonly kind: 'failed' } {
  return of === undefined
    ? { kind: 'failed', message: `${tool} could not check these arguments.`, code: 'CORRAL_ARGS_INVALID' }
    : { kind: 'failed', message: `${tool} could not check its own answer.`, code: 'CORRAL_RESULT_INVALID' };
}

function sacrifice(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_FIRST);
  } catch {
    // Not Linux, or the process is gone.
  }
}

/** Resident memory in bytes; 0 if it cannot be read. */
function residentOf(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE;
  } catch {
    return 0;
  }
}
