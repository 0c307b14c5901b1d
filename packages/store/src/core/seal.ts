/**
 * Sealing: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The place of a text is its associated data, so that a sealed
 * row that is moved to another place cannot be opened. The key of a run seals a few thousand rows in its life, far below the 2^32
 * above which random nonces may collide.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes, randomFillSync } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Format, nonce, tag. */
export const SEAL_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
const SEALED = 1;
const FORGOTTEN = 0;

/** Nonces are drawn in blocks: drawing one by one costs more than sealing a small row. */
const nonces = Buffer.alloc(NONCE_BYTES * 256);
let nextNonce = nonces.length;

export const newKey = (): Buffer => randomBytes(KEY_BYTES);

/** @param belongsTo kind and place of the text, in Latin letters; opening needs the same */
export function seal(key: Uint8Array, belongsTo: string, bytes: Uint8Array): Buffer {
  if (nextNonce === nonces.length) {
    randomFillSync(nonces);
    nextNonce = 0;
  }
  const nonce = nonces.subarray(nextNonce, nextNonce + NONCE_BYTES);
  nextNonce += NONCE_BYTES;
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  cipher.setAAD(Buffer.from(belongsTo, 'latin1'));
  const sealed = cipher.update(bytes);
  cipher.final();
  const whole = Buffer.allocUnsafe(SEAL_BYTES + sealed.length);
  whole[0] = SEALED;
  nonce.copy(whole, 1);
  sealed.copy(whole, 1 + NONCE_BYTES);
  cipher.getAuthTag().copy(whole, 1 + NONCE_BYTES + sealed.length);
  return whole;
}

/** @throws Error if the key, the place or a byte differs */
export function unseal(key: Uint8Array, belongsTo: string, whole: Uint8Array): Buffer {
  if (whole[0] !== SEALED || whole.length < SEAL_BYTES) throw new Error('is not in the form of sealed data');
  const opener = createDecipheriv(ALGORITHM, key, whole.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES });
  opener.setAAD(Buffer.from(belongsTo, 'latin1'));
  opener.setAuthTag(whole.subarray(whole.length - TAG_BYTES));
  const bytes = opener.update(whole.subarray(1 + NONCE_BYTES, whole.length - TAG_BYTES));
  opener.final();
  return bytes;
}

/** The remainder of sealed bytes whose content is deleted: their digest, which the hash chain needs. */
export function forgotten(whole: Uint8Array): Buffer {
  return isForgotten(whole) ? Buffer.from(whole) : Buffer.concat([Buffer.of(FORGOTTEN), hash('sha256', whole, 'buffer')]);
}

export const isForgotten = (whole: Uint8Array): boolean => whole[0] === FORGOTTEN && whole.length === FORGOTTEN_BYTES;
export const FORGOTTEN_BYTES = 33;

interface Link {
  readonly seq: number;
  readonly at: number;
  readonly cpu_us: number;
  readonly waiting: string;
  readonly body: Uint8Array;
}

/**
 * The hash of an entry. It covers the hash of the entry before, so that no entry can be changed, left out or moved without
 * changing all that follow (hash chain); and the digest of the sealed body, so that the chain can still be checked after the body
 * is deleted.
 */
export function chain(before: Uint8Array, run: string, { seq, at, cpu_us, waiting, body }: Link): Buffer {
  link.set(before);
  const end = before.length + link.write(`${run}:${seq}:${at}:${cpu_us}:${waiting}:`, before.length, 'latin1');
  link.set(isForgotten(body) ? body.subarray(1) : hash('sha256', body, 'buffer'), end);
  return hash('sha256', link.subarray(0, end + HASH_BYTES), 'buffer');
}

const HASH_BYTES = 32;
/** Space for two hashes and a line about the entry, reused. */
const link = Buffer.alloc(512);
