/**
 * MCP over the standard streams of a program: one message a line. The program is not trusted: a message that is too large, a flood of
 * messages nobody asked for, and output that is not MCP end it. Its error output is kept within bounds.
 */
import { serializeMessage, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client';
import { MCP } from '@corral/protocol/limits-mcp';
import type { Program } from '@corral/protocol/ports/program';
import { Lines } from '../host/lines.ts';

/** Messages a second, sustained and at once, that answer nothing: progress, log lines, requests. */
const UNASKED_PER_S = 200;
const UNASKED_AT_ONCE = 2_000;
/** Lines that are not messages; a program that prints something by mistake is forgiven a few. */
const STRAY_LINES = 100;
/** Characters of its error output that are kept for people. */
const LAST_WORDS = 4_000;
const NEWLINE = 0x0a;

export class StdioTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage) => void) | undefined;
  readonly #start: () => Program;
  readonly #tell: (line: string) => void;
  #program: Program | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #stray = 0;
  #unasked = UNASKED_AT_ONCE;
  #since = performance.now();
  #drained: Promise<void> | undefined;
  #why: string | undefined;
  #lastWords = '';
  /** A notification was handed over in this turn of the loop. */
  #notified = false;
  readonly #behind: JSONRPCMessage[] = [];
  #over = false;

  /** @param tell is given lines of its error output */
  constructor(start: () => Program, tell: (line: string) => void) {
    this.#start = start;
    this.#tell = tell;
  }

  /** The client probes on this connection, and starts no second program for it, if there are both of these. */
  get stderr(): null {
    return null;
  }
  get pid(): number | null {
    return this.#program?.pid ?? null;
  }

  /** Why it ended; undefined while it runs. */
  get why(): string | undefined {
    return this.#why;
  }

  /** The end of its error output. */
  get lastWords(): string {
    return this.#lastWords;
  }

  async start(): Promise<void> {
    const program = this.#start();
    this.#program = program;
    program.onEnd((why) => this.#ended(why));
    program.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
    const lines = new Lines((line) => {
      this.#lastWords = `${this.#lastWords}${line}\n`.slice(-LAST_WORDS);
      this.#tell(line);
    });
    program.stderr.on('data', (chunk: Buffer) => lines.push(chunk)).on('close', () => lines.end());
    // A program that dies while it is written to is reported by its end.
    for (const stream of [program.stdin, program.stdout, program.stderr]) stream.on('error', () => undefined);
    await Promise.resolve();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const { stdin } = this.#program ?? {};
    if (this.#over || stdin === undefined) throw new Error(`The program cannot be written to: ${this.#why ?? 'it was not started'}.`);
    if (stdin.write(serializeMessage(message))) return;
    // One listener, however many wait.
    this.#drained ??= new Promise<void>((resolve) => {
      const done = () => {
        this.#drained = undefined;
        stdin.off('drain', done).off('close', done);
        resolve();
      };
      stdin.on('drain', done).on('close', done);
    });
    await this.#drained;
  }

  close(): Promise<void> {
    this.kill('its host closed the connection');
    return Promise.resolve();
  }

  kill(why: string): void {
    this.#program?.kill();
    this.#ended(why);
  }

  #ended(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#why = why;
    this.#chunks = [];
    this.onclose?.();
  }

  #take(chunk: Buffer): void {
    for (let rest = chunk; !this.#over;) {
      const end = rest.indexOf(NEWLINE);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      this.#bytes += piece.length;
      const most = MCP.message_bytes.default;
      if (this.#bytes > most) return this.kill(`it sent a message of more than ${most} bytes`);
      if (piece.length > 0) this.#chunks.push(piece);
      if (end < 0) return;
      const line = Buffer.concat(this.#chunks).toString('utf8').trimEnd();
      this.#chunks = [];
      this.#bytes = 0;
      rest = rest.subarray(end + 1);
      if (line !== '') this.#hear(line);
    }
  }

  #hear(line: string): void {
    const message = messageIn(line);
    if (message === undefined) {
      this.#stray += 1;
      if (this.#stray > STRAY_LINES) return this.kill('it wrote lines that are not messages of MCP');
      return this.#tell(`(not a message of MCP) ${line.slice(0, 200)}`);
    }
    if ('method' in message && !this.#allowed()) return this.kill('it flooded its host with messages that nobody asked for');
    this.#deliver(message);
  }

  /**
   * The client takes a notification a moment after it got it, and an answer at once; then progress that came before the answer is lost. So an
   * answer right behind a notification waits for the next turn of the loop, and what comes after it as well.
   */
  #deliver(message: JSONRPCMessage): void {
    if ('method' in message && this.#behind.length === 0) {
      this.#notified = true;
      setImmediate(() => (this.#notified = false));
    } else if (this.#notified || this.#behind.length > 0) {
      if (this.#behind.push(message) === 1) setImmediate(() => this.#catchUp());
      return;
    }
    this.onmessage?.(message);
  }

  #catchUp(): void {
    for (const message of this.#behind.splice(0)) if (!this.#over) this.onmessage?.(message);
  }

  #allowed(): boolean {
    const now = performance.now();
    this.#unasked = Math.min(UNASKED_AT_ONCE, this.#unasked + ((now - this.#since) * UNASKED_PER_S) / 1_000) - 1;
    this.#since = now;
    return this.#unasked >= 0;
  }
}

/** The message of a line; undefined if it is none. The client reads each kind of message by its schema, which takes its time, and need not do so twice. */
function messageIn(line: string): JSONRPCMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { jsonrpc, id, method, result, error } = (isObject(value) ? value : {}) as Readonly<Record<string, unknown>>;
  const isAnswer = (isObject(result) && ['string', 'number'].includes(typeof id)) || isObject(error);
  const isMessage = jsonrpc === '2.0' && (typeof method === 'string' || isAnswer);
  return isMessage ? (value as JSONRPCMessage) : undefined;
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
