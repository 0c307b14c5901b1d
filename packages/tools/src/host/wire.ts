/**
 * What a host and its tool process say to each other: JSON frames behind a length, over a socket pair of their own. Neither side
 * buffers a frame that is longer than may be.
 */
import type { ToolResult } from '@corral/protocol/ports/tool';
import type { JsonSchema } from '@corral/protocol/ports/contract';
import type { Json } from '@corral/protocol/json';

/** The descriptor of the socket in the tool process. */
export const SOCKET_FD = 3;
const HEADER = 4;

/** A tool as data. */
export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  readonly annotations: Readonly<Record<string, Json>>;
  readonly timeout_ms?: number;
  /** A check of its arguments may take for ever, and is tried in a process of its own first. */
  readonly may_hang: boolean;
}

/** What becomes of a call, as far as the process can say it. */
export type CallResult = ToolResult<Json>;

/** A file of a configuration's code as it was read: so much is kept of it that the same code can be started again. */
export interface CodeFile {
  readonly format: string;
  readonly text: string;
}
/** By URL: the entry and what it imports, packages left out. */
export type CodeFiles = Readonly<Record<string, CodeFile>>;

export type ToProcess =
  /**
   * `lent`: modules that are found there where the file's own folder has no packages. `files`: code that is taken from here, and not from
   * the disk.
   */
  | { readonly kind: 'load'; readonly url: string; readonly lent: Readonly<Record<string, string>>; readonly files: CodeFiles }
  | { readonly kind: 'make' }
  | {
      /** `check`: only whether the arguments fit; or, with `of`, whether `input` is a result that fits. */
      readonly kind: 'call' | 'check';
      readonly of?: 'output';
      readonly n: number;
      readonly tool: string;
      readonly input: Json;
      readonly idempotency_key: string;
      readonly attempt: number;
      readonly run: string;
      readonly tenant: string;
    }
  /** What the trial of an answer came to; null: it fits. */
  | { readonly kind: 'tried'; readonly n: number; readonly refusal: CallResult | null }
  | { readonly kind: 'abort'; readonly n: number; readonly name: string; readonly message: string }
  | { readonly kind: 'secret'; readonly n: number; readonly value: string }
  | { readonly kind: 'no_secret'; readonly n: number; readonly message: string }
  | { readonly kind: 'ping'; readonly n: number };

export type FromProcess =
  /** What the module exports besides its tools. `makes`: whether it lists tools, or a function that does. */
  | { readonly kind: 'loaded'; readonly rest: Json; readonly makes: boolean; readonly files: CodeFiles }
  | { readonly kind: 'made'; readonly tools: readonly ToolDescription[] }
  /** It could not be loaded, or its tools could not be made. */
  | { readonly kind: 'broken'; readonly message: string; readonly detail: string }
  | { readonly kind: 'result'; readonly n: number; readonly result: CallResult }
  /** What a tool answered, whose check may take for ever: it is to be tried in another process before it is checked here. */
  | { readonly kind: 'answer'; readonly n: number; readonly value: Json }
  /** A check has begun: it is to blame if nothing more is heard. */
  | { readonly kind: 'began'; readonly n: number }
  | { readonly kind: 'secret'; readonly n: number; readonly name: string }
  | { readonly kind: 'pong'; readonly n: number }
  /** An exception that nothing caught. `n`: the call that set it going, where that is known. */
  | { readonly kind: 'uncaught'; readonly n: number | null; readonly detail: string };

/** @returns undefined for a message longer than a frame may be */
export function framed(message: unknown, most: number): Buffer | undefined {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > most) return undefined;
  const frame = Buffer.allocUnsafe(HEADER + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEADER);
  return frame;
}

/** Takes bytes as they come, gives messages. */
export class FrameReader {
  readonly #most: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @throws where a frame is too long, or is no JSON */
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

  /** The first chunk, once it holds so many bytes; joins chunks only then. */
  #gathered(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= bytes) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#chunks.push(joined);
    return joined;
  }
}
