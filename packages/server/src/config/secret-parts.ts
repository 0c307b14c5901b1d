/**
 * The parts of a stream without secrets. A secret may be cut up between pieces of a text, so the end of a piece that could be the beginning
 * of a secret is held back until the next part shows whether it is one.
 */
import type { Json } from '@corral/protocol/json';
import type { ToolCall } from '@corral/protocol/ports/tool';

type Give = NonNullable<ToolCall['part']>;

/** A part that goes on with a text: a string, or what models hand over (`{ type, id, delta }`). */
interface Piece {
  /** Names the text. */
  readonly of: string;
  readonly text: string;
  readonly with: (text: string) => Json;
}

export class CleanParts {
  readonly #give: Give;
  readonly #secrets: ReadonlyMap<string, string>;
  readonly #redact: (text: string) => string;
  /** The end of the last piece. */
  #held: Piece | undefined;

  /** @param secrets values that were given out so far, and are now and then more */
  constructor(give: Give, secrets: ReadonlyMap<string, string>, redact: (text: string) => string) {
    this.#give = give;
    this.#secrets = secrets;
    this.#redact = redact;
  }

  /** Takes the next part of the tool. It gives all that follows from it before it waits, so parts stay in order. */
  readonly take = async (part: Json): Promise<void> => {
    if (this.#secrets.size === 0) return this.#give(part);
    const piece = pieceOf(part);
    const held = this.#held;
    this.#held = undefined;
    const goesOn = held !== undefined && piece?.of === held.of;
    const given = held === undefined || goesOn ? [] : [this.#give(held.with(held.text))];
    if (piece === undefined) given.push(this.#give(this.#cleaned(part)));
    else {
      const text = this.#redact(goesOn ? held.text + piece.text : piece.text);
      const length = text.length - this.#begun(text);
      if (length < text.length) this.#held = { ...piece, text: text.slice(length) };
      if (length > 0 || text === '') given.push(this.#give(this.#cleaned(piece.with(text.slice(0, length)))));
    }
    await Promise.all(given);
  };

  /** The tool has handed over all parts, so the text that was held back is not a secret. Nobody waits for room for it. */
  end(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#give(held.with(held.text)).catch(() => undefined);
  }

  /** Length of the end of a text with which a secret may begin. */
  #begun(text: string): number {
    let longest = 0;
    for (const value of this.#secrets.keys()) {
      const first = value.charAt(0);
      // The earliest place is the longest beginning.
      for (let at = text.indexOf(first, Math.max(0, text.length - value.length + 1)); at >= 0; at = text.indexOf(first, at + 1)) {
        if (text.length - at <= longest) break;
        if (!value.startsWith(text.slice(at))) continue;
        longest = text.length - at;
        break;
      }
    }
    return longest;
  }

  #cleaned(part: Json): Json {
    let text: string | undefined;
    try {
      text = JSON.stringify(part);
    } catch {
      // It cannot be serialised as JSON. The broker refuses it with a reason.
    }
    if (text === undefined) return part;
    const clean = this.#redact(text);
    return clean === text ? part : (JSON.parse(clean) as Json);
  }
}

function pieceOf(part: Json): Piece | undefined {
  if (typeof part === 'string') return { of: '', text: part, with: (text) => text };
  if (typeof part !== 'object' || part === null) return undefined;
  const members = part as Readonly<Record<string, Json>>;
  const { type, id, delta } = members;
  if (typeof delta !== 'string' || typeof id !== 'string') return undefined;
  return { of: `${typeof type === 'string' ? type : ''} ${id}`, text: delta, with: (text) => ({ ...members, delta: text }) };
}
