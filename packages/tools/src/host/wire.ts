/**
 * The protocol between a host and its tool process: JSON frames with a length prefix, over a socket pair. Neither side buffers a frame
 * beyond the maximum length.
 */
import type { ToolResult } from '@corral/protocol/ports/tool';
import type { JsonSchema } from '@corral/protocol/ports/contract';
import type { Json } from '@corral/protocol/json';

/** The socket's file descriptor in the tool process. */
export const SOCKET_FD = 3;
const HEADER = 4;

/** A tool as data, without its functions. */
export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  readonly annotations: Readonly<Record<string, Json>>;
  readonly timeout_ms?: number;
  /** A check of its arguments may never end (a pattern, a refinement), so they are first checked in a process of its own. */
  readonly may_hang: boolean;
}

/** The result of a call as JSON. */
export type CallResult = ToolResult<Json>;

/** A source file of a configuration as it was loaded. Processes that are started later load these texts, and therefore the same code. */
export interface CodeFile {
  readonly format: string;
  readonly text: string;
}
/** By URL: the entry module and its imports, without packages. */
export type CodeFiles = Readonly<Record<string, CodeFile>>;

export type ToProcess =
  /**
   * `lent`: where to find modules that the file's own folder cannot resolve, by specifier. `files`: texts to load instead of the files on
   * disk.
   */
  | { readonly kind: 'load'; readonly url: string; readonly lent: Readonly<Record<string, string>>; readonly files: CodeFiles }
  | { readonly kind: 'make' }
  | {
      /** `check`: checks `input` as arguments, or with `of: 'output'` as a result, and makes no call. */
      readonly kind: 'call' | 'check';
      readonly of?: 'output';
      readonly n: number;
      readonly tool: string;
      readonly input: Json;
      readonly idempotency_key: string;
      readonly attempt: number;
      readonly run: string;
      readonly tenant: string;
      readonly traceparent?: string;
      readonly agent: string;
      readonly person: string;
    }
  /** The outcome of an `answer`'s trial; null: it fits. */
  | { readonly kind: 'tried'; readonly n: number; readonly refusal: CallResult | null }
  | { readonly kind: 'abort'; readonly n: number; readonly name: string; readonly message: string }
  | { readonly kind: 'secret'; readonly n: number; readonly value: string }
  | { readonly kind: 'no_secret'; readonly n: number; readonly message: string }
  | { readonly kind: 'ping'; readonly n: number };

export type FromProcess =
  /** The rest of the module's exports. `makes`: whether the module has tools, or a function that makes some. */
  | { readonly kind: 'loaded'; readonly rest: Json; readonly makes: boolean; readonly files: CodeFiles }
  | { readonly kind: 'made'; readonly tools: readonly ToolDescription[] }
  /** The module could not be loaded, or its tools could not be made. */
  | { readonly kind: 'broken'; readonly message: string; readonly detail: string }
  | { readonly kind: 'result'; readonly n: number; readonly result: CallResult }
  /** The value that a call returned, if its check may never end: another process checks it before this one does. */
  | { readonly kind: 'answer'; readonly n: number; readonly value: Json }
  /** A check has begun; if the process is lost now, this check is to blame. */
  | { readonly kind: 'began'; readonly n: number }
  /** `call`: the one that asks; null: code outside of calls. */
  | { readonly kind: 'secret'; readonly n: number; readonly name: string; readonly call: number | null }
  | { readonly kind: 'pong'; readonly n: number }
  /** An exception that nothing caught. `n`: the call that threw it, if known. */
  | { readonly kind: 'uncaught'; readonly n: number | null; readonly detail: string };

/** @returns undefined if the message is longer than `most` bytes */
export function framed(message: unknown, most: number): Buffer | undefined {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > most) return undefined;
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEADER);
  return frame;
}

/** Turns chunks of bytes into messages. */
export class FrameReader {
  readonly #most: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws RangeError for a frame that is too long, SyntaxError for one that is not JSON */
  push(chunk: Buffer): unknown[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: unknown[] = [];
    for (;;) {
      if (this.#bytes < HEADER) return messages;
      const first = this.#gathered(HEADER);
      const length = first.readUInt32BE(0);
      if (length > this.#most) throw new RangeError(`a frame of ${length} bytes`);
      if (this.#bytes < HEADER + length) return messages;
      const whole = this.#gathered(HEADER + length);
      messages.push(JSON.parse(whole.toString('utf8', HEADER, HEADER + length)));
      this.#chunks[0] = whole.subarray(HEADER + length);
      this.#bytes -= HEADER + length;
    }
  }

  /** The first chunk, joined with the next ones if it has fewer than `bytes` bytes. */
  #gathered(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= bytes) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#chunks.push(joined);
    return joined;
  }
}
