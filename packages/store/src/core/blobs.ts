/**
 * Large payloads, stored once for each tenant. The id of a blob is a keyed hash of its content, so that the id reveals nothing.
 * The blob is sealed under a key derived from its content and a secret of the tenant (convergent encryption), so that writing the
 * same payload again gives the same key; the key itself is stored only inside the sealed texts that refer to the blob. After the
 * last run that refers to a blob is erased, nothing can open it, not even the tenant's key.
 */
import { createHmac, hash } from 'node:crypto';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Cut, Texts } from './body.ts';
import type { BlobRows } from './engine.ts';
import { seal, unseal } from './seal.ts';
import { isLarge, payloads } from './split.ts';

const place = (id: string) => `blob:${id}`;

/** A payload that was cut out, not sealed yet. */
export interface Piece {
  readonly id: string;
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

export class Splitter {
  readonly #ring: KeyRing;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  /** Cuts the large payloads out of texts. */
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
        const piece = this.#piece(text.slice(span.from, span.to), tenant);
        pieces.push(piece);
        cuts.push({ text: index, at: rest.length, id: piece.id, key: Buffer.from(piece.key).toString('base64url') });
        from = span.to;
      }
      return rest + text.slice(from);
    });
    return { texts: left, cuts, pieces };
  }

  sealed({ id, key, bytes }: Piece): Uint8Array {
    return seal(key, place(id), bytes);
  }

  #piece(text: string, tenant: string): Piece {
    const bytes = Buffer.from(text);
    const digest = hash('sha256', bytes, 'buffer');
    const id = createHmac('sha256', this.#ring.derive(tenant, 'blob-id')).update(digest).digest('base64url');
    const key = createHmac('sha256', this.#ring.derive(tenant, 'blob-key')).update(digest).digest();
    return { id, key, bytes };
  }
}

/** Puts payloads back where they were cut out. @throws MissingPayload; Error if a text is missing */
export function joined(blobs: BlobRows, texts: readonly (string | undefined)[], cuts: readonly Cut[]): Texts {
  if (cuts.length === 0) return texts;
  const parts = texts.map(() => ({ text: '', from: 0 }));
  for (const cut of cuts) {
    const part = parts[cut.text];
    const rest = texts[cut.text];
    if (part === undefined || rest === undefined) throw new Error('refers to a text that is not there');
    part.text += rest.slice(part.from, cut.at) + payloadOf(blobs, cut);
    part.from = cut.at;
  }
  return parts.map(({ text, from }, index) => (texts[index] === undefined ? undefined : text + texts[index].slice(from)));
}

function payloadOf(blobs: BlobRows, { id, key }: Cut): string {
  const data = blobs.data(id);
  if (data === undefined) throw new MissingPayload('refers to a payload that is gone');
  try {
    return unseal(Buffer.from(key, 'base64url'), place(id), data).toString();
  } catch (error) {
    throw new MissingPayload('refers to a payload whose bytes were changed', { cause: error });
  }
}

export class MissingPayload extends Error {}
