/**
 * Large payloads, stored once for each tenant. The id of a blob is a keyed hash of its content, so that the id reveals nothing.
 * The blob is sealed under a key derived from its content and a secret of the tenant (convergent encryption), so that writing the
 * same payload again gives the same key; the key itself is stored only inside the sealed texts that refer to the blob. After the
 * last run that refers to a blob is erased, nothing can open it, not even the tenant's key.
 *
 * A payload above `CUT_BYTES` is cut into parts, and stored as a tree: its leaves hold the text, each other blob lists the ids and keys of
 * those below it (Merkle 1987). The payload's own blob is the root, and the entry refers to that alone.
 */
import { createHmac, hash } from 'node:crypto';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Cut, Texts } from './body.ts';
import { type Gear, endsOf, gearOf, grouped } from './cutting.ts';
import type { BlobRows } from './engine.ts';
import { seal, unseal } from './seal.ts';
import { isLarge, payloads } from './split.ts';

const place = (id: string) => `blob:${id}`;
const HASH_BYTES = 32;
/** In a list: the id and the key of a blob. */
const REF_BYTES = 2 * HASH_BYTES;
/** Most gears that are kept, of 1 KiB each. */
const GEARS = 256;

/** A blob that is not sealed yet. */
export interface Piece {
  readonly id: string;
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
  /** Levels of blobs below it; 0: it is text. */
  readonly height: number;
  /** The blobs that it lists. */
  readonly parts: readonly Piece[];
}

const NO_PARTS: readonly Piece[] = [];

export class Splitter {
  readonly #ring: KeyRing;
  readonly #gears = new Map<string, Gear>();

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  /** Cuts the large payloads out of texts. @returns `pieces`: one for each payload, with all that is below it */
  split(texts: Texts, tenant: string): { texts: Texts; cuts: readonly Cut[]; pieces: readonly Piece[] } {
    if (!texts.some((text) => text !== undefined && isLarge(text))) return { texts, cuts: [], pieces: [] };
    const cuts: Cut[] = [];
    const pieces: Piece[] = [];
    const left = texts.map((text, index) => {
      const spans = text === undefined ? [] : payloads(text);
      if (text === undefined || spans.length === 0) return text;
      let rest = '';
      let from = 0;
      for (const span of spans) {
        rest += text.slice(from, span.from);
        const root = this.#tree(Buffer.from(text.slice(span.from, span.to)), tenant);
        pieces.push(root);
        const { id, key, height } = root;
        cuts.push({ text: index, at: rest.length, id, key: Buffer.from(key).toString('base64url'), height });
        from = span.to;
      }
      return rest + text.slice(from);
    });
    return { texts: left, cuts, pieces };
  }

  sealed({ id, key, bytes }: Piece): Uint8Array {
    return seal(key, place(id), bytes);
  }

  /** A text as a tree of blobs. @returns its root */
  #tree(bytes: Buffer, tenant: string): Piece {
    let from = 0;
    let level = endsOf(bytes, this.#gear(tenant)).map((end) => {
      const part = bytes.subarray(from, end);
      from = end;
      return this.#piece(part, 0, NO_PARTS, tenant);
    });
    for (let height = 1; level.length > 1; height++)
      level = grouped(level).map((parts) => this.#piece(listOf(parts), height, parts, tenant));
    return level[0] as Piece;
  }

  #piece(bytes: Uint8Array, height: number, parts: readonly Piece[], tenant: string): Piece {
    const digest = hash('sha256', bytes, 'buffer');
    const keyed = (purpose: string) => {
      const mac = createHmac('sha256', this.#ring.derive(tenant, purpose)).update(digest);
      // A text of the same bytes as a list is another blob.
      return (height === 0 ? mac : mac.update(Buffer.of(height))).digest();
    };
    return { id: keyed('blob-id').toString('base64url'), key: keyed('blob-key'), bytes, height, parts };
  }

  #gear(tenant: string): Gear {
    const known = this.#gears.get(tenant);
    if (known !== undefined) return known;
    if (this.#gears.size >= GEARS) this.#gears.clear();
    const gear = gearOf(this.#ring.derive(tenant, 'blob-cut'));
    this.#gears.set(tenant, gear);
    return gear;
  }
}

const listOf = (parts: readonly Piece[]): Buffer => Buffer.concat(parts.flatMap(({ id, key }) => [Buffer.from(id, 'base64url'), key]));

/** Texts of blobs that were opened, for as long as one reading takes: entries of a conversation have most of their parts in common. */
export class Opened {
  readonly #texts = new Map<string, string>();
  #chars = 0;

  get(id: string): string | undefined {
    return this.#texts.get(id);
  }

  /** @param own characters that it does not share with another text in here */
  set(id: string, text: string, own: number): void {
    if (this.#chars > OPENED_CHARS) {
      this.#texts.clear();
      this.#chars = 0;
    }
    this.#texts.set(id, text);
    this.#chars += own;
  }
}
const OPENED_CHARS = 16 * 1024 * 1024;

/**
 * Puts payloads back where they were cut out.
 * @throws MissingPayload; Error if a text is missing
 */
export function joined(blobs: BlobRows, texts: readonly (string | undefined)[], cuts: readonly Cut[], opened = new Opened()): Texts {
  if (cuts.length === 0) return texts;
  const parts = texts.map(() => ({ text: '', from: 0 }));
  for (const cut of cuts) {
    const part = parts[cut.text];
    const rest = texts[cut.text];
    if (part === undefined || rest === undefined) throw new Error('refers to a text that is not there');
    const { id, key, height } = cut;
    part.text += rest.slice(part.from, cut.at) + textOf(blobs, { id, key: Buffer.from(key, 'base64url') }, height, opened, true);
    part.from = cut.at;
  }
  return parts.map(({ text, from }, index) => (texts[index] === undefined ? undefined : text + texts[index].slice(from)));
}

/** The text of a blob and of all below it. @param isRoot whether it is the payload itself, and not a part of it */
function textOf(blobs: BlobRows, { id, key }: Pick<Piece, 'id' | 'key'>, height: number, opened: Opened, isRoot = false): string {
  const known = opened.get(id);
  if (known !== undefined) return known;
  const what = isRoot ? 'a payload' : 'a payload with a part';
  const data = blobs.data(id);
  if (data === undefined) throw new MissingPayload(`refers to ${what} that is gone`);
  let bytes: Buffer;
  try {
    bytes = unseal(key, place(id), data);
  } catch (error) {
    throw new MissingPayload(`refers to ${what} whose bytes were changed`, { cause: error });
  }
  let text = '';
  if (height === 0) text = bytes.toString();
  else {
    for (let at = 0; at < bytes.length; at += REF_BYTES) {
      const below = { id: bytes.toString('base64url', at, at + HASH_BYTES), key: bytes.subarray(at + HASH_BYTES, at + REF_BYTES) };
      text += textOf(blobs, below, height - 1, opened);
    }
  }
  opened.set(id, text, height === 0 ? text.length : bytes.length);
  return text;
}

export class MissingPayload extends Error {}
