/**
 * Sealing: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. What a text belongs to goes in as associated data, so that
 * a sealed row put in another's place does not open. A run's key seals a few thousand rows in a long life, far below the
 * 2^32 at which random nonces become a worry.
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

/** Nonces drawn together, because asking for each costs more than sealing a small row. */
const nonces = Buffer.alloc(NONCE_BYTES * 256);
let nextNonce = nonces.length;

export const newKey = (): Buffer => randomBytes(KEY_BYTES);

/** @param belongsTo what this is and where it stands, in Latin letters; opening asks for the same */
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

/** @throws Error where the key is another, the place is another, or a byte is */
export function unseal(key: Uint8Array, belongsTo: string, whole: Uint8Array): Buffer {
  if (whole[0] !== SEALED || whole.length < SEAL_BYTES) throw new Error('is not in the form of sealed data');
  const opener = createDecipheriv(ALGORITHM, key, whole.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES });
  opener.setAAD(Buffer.from(belongsTo, 'latin1'));
  opener.setAuthTag(whole.subarray(whole.length - TAG_BYTES));
  const bytes = opener.update(whole.subarray(1 + NONCE_BYTES, whole.length - TAG_BYTES));
  opener.final();
  return bytes;
}

/** What stays of sealed bytes when their content is taken away: enough to go on with the hash chain. */
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
 * The hash of an entry: over the one before, so that none can be changed, left out or moved without all that follow (hash
 * chain), and over the digest of the sealed body, so that the chain can be walked when the body is gone.
 */
export function chain(before: Uint8Array, run: string, { seq, at, cpu_us, waiting, body }: Link): Buffer {
  link.set(before);
  const end = before.length + link.write(`${run}:${seq}:${at}:${cpu_us}:${waiting}:`, before.length, 'latin1');
  link.set(isForgotten(body) ? body.subarray(1) : hash('sha256', body, 'buffer'), end);
  return hash('sha256', link.subarray(0, end + HASH_BYTES), 'buffer');
}

const HASH_BYTES = 32;
/** Room for two hashes and a line about the entry, used again and again. */
const link = Buffer.alloc(512);
