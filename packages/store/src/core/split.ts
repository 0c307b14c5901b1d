/**
 * Finds the payloads in a JSON text without parsing it: the values of the members in which deliveries and effects carry what
 * agents say to tools and to each other. They are cut at exact positions of the text, so that putting them back gives the same
 * text whatever its spelling.
 */
import { JSON_MAX_DEPTH } from '@corral/protocol/json';

/** Larger payloads are stored as blobs. */
export const BLOB_BYTES = 4096;
/**
 * `start.input`, `call.input`, `reply.results[].value`, `send.body`, `finish.output`, `emit.data`, `log.text`, the state of a
 * checkpoint, and `spawn.program.source`, which the record of the child has as well.
 */
const PAYLOADS: ReadonlySet<string> = new Set(['input', 'value', 'body', 'output', 'data', 'text', 'state', 'unread', 'ledger', 'source']);

export interface Span {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export function isLarge(text: string): boolean {
  return text.length > BLOB_BYTES || (text.length * 3 > BLOB_BYTES && Buffer.byteLength(text) > BLOB_BYTES);
}

/** The large payloads of a text in order; the whole text if it is large and none was found in it. */
export function payloads(text: string): readonly Span[] {
  if (!isLarge(text)) return [];
  const spans = new Scanner(text).scan();
  return spans.length === 0 ? [{ from: 0, to: text.length }] : spans;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN = 123;
const CLOSE = 125;

/** The text is not JSON after all. */
class Unexpected extends Error {}

class Scanner {
  readonly #text: string;
  readonly #spans: Span[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): readonly Span[] {
    try {
      this.#value(0);
      return this.#spans;
    } catch (error) {
      if (error instanceof Unexpected) return [];
      throw error;
    }
  }

  #value(depth: number): void {
    const first = this.#peek();
    if (depth === JSON_MAX_DEPTH || (first !== OPEN && first !== OPEN_LIST)) return this.#skip();
    const close = first === OPEN ? CLOSE : CLOSE_LIST;
    this.#at += 1;
    if (this.#peek() === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      const name = first === OPEN ? this.#name() : undefined;
      this.#peek();
      const from = this.#at;
      if (name !== undefined && PAYLOADS.has(name)) {
        this.#skip();
        if (isLarge(this.#text.slice(from, this.#at))) this.#spans.push({ from, to: this.#at });
      } else this.#value(depth + 1);
      const next = this.#peek();
      this.#at += 1;
      if (next === close) return;
      if (next !== COMMA) throw new Unexpected();
    }
  }

  #name(): string {
    if (this.#peek() !== QUOTE) throw new Unexpected();
    const from = this.#at + 1;
    this.#string();
    const name = this.#text.slice(from, this.#at - 1);
    if (this.#peek() !== COLON) throw new Unexpected();
    this.#at += 1;
    return name;
  }

  /** Skips the value that begins here. */
  #skip(): void {
    let depth = 0;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) this.#string();
      else if (code === OPEN || code === OPEN_LIST) {
        depth += 1;
        this.#at += 1;
      } else if (code === CLOSE || code === CLOSE_LIST) {
        if (depth === 0) throw new Unexpected();
        depth -= 1;
        this.#at += 1;
      } else if (Number.isNaN(code)) throw new Unexpected();
      else if (depth > 0) {
        this.#at += 1;
        continue;
      } else {
        this.#literal();
        return;
      }
      if (depth === 0) return;
    }
  }

  /** A number, true, false or null. */
  #literal(): void {
    const from = this.#at;
    for (let code = this.#text.charCodeAt(from); code > 32 && code !== COMMA && code !== CLOSE && code !== CLOSE_LIST;)
      code = this.#text.charCodeAt(++this.#at);
    if (this.#at === from) throw new Unexpected();
  }

  #string(): void {
    for (let end = this.#text.indexOf('"', this.#at + 1); end !== -1; end = this.#text.indexOf('"', end + 1)) {
      let first = end;
      while (this.#text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
      if ((end - first) % 2 === 1) continue;
      this.#at = end + 1;
      return;
    }
    throw new Unexpected();
  }

  /** The next character that is not white space, or NaN. */
  #peek(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code <= 32) code = this.#text.charCodeAt(++this.#at);
    return code;
  }
}
