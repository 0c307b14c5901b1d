/**
 * Stands in for the digests of `node:crypto` in a bundle. They compute and reach nothing, and many packages name what they keep by a digest.
 * Digests of `crypto.subtle` are asynchronous, so they cannot stand for these.
 */
import { fileURLToPath } from 'node:url';

const NOBLE = new URL('./', import.meta.resolve('@noble/hashes/sha2.js'));
const noble = (file: string): string => JSON.stringify(fileURLToPath(new URL(file, NOBLE)));

/** Members of `node:crypto` that the module exports. */
export const DIGESTS: ReadonlySet<string> = new Set(['createHash', 'createHmac', 'getHashes', 'timingSafeEqual']);

/**
 * @param buffer path of the module that has Buffer
 * @param missing text that declares the function `missing`, which makes the error for a part of Node that is absent
 * @returns the text of a module
 */
export const digestsModule = (buffer: string, missing: string): string => `
${missing}
import { sha224, sha256, sha384, sha512 } from ${noble('sha2.js')};
import { md5, sha1 } from ${noble('legacy.js')};
import { hmac } from ${noble('hmac.js')};
import { Buffer } from ${JSON.stringify(buffer)};
const known = new Map(Object.entries({ md5, sha1, sha224, sha256, sha384, sha512 }));
const named = (name, by) => {
  const found = known.get(String(name).toLowerCase().replace(/^rsa-/, '').replace(/^sha-/, 'sha'));
  if (found === undefined) throw missing('node:crypto.' + by + "('" + name + "')");
  return found;
};
const bufferOf = (data, what) => {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw Object.assign(new TypeError(what + ' is bytes: an ArrayBuffer, a typed array or a DataView.'), { code: 'ERR_INVALID_ARG_TYPE' });
};
const bytesOf = (data, encoding) => (typeof data === 'string' ? Buffer.from(data, encoding) : bufferOf(data, 'Data'));
const inEncoding = (bytes, encoding) => {
  switch (encoding) {
    case undefined: case 'buffer': return Buffer.from(bytes);
    case 'hex': return bytes.toHex();
    case 'base64': return bytes.toBase64();
    case 'base64url': return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
    default: return Buffer.from(bytes).toString(encoding);
  }
};
class Digest {
  #state;
  constructor(state) { this.#state = state; }
  update(data, encoding) { this.#state.update(bytesOf(data, encoding)); return this; }
  digest(encoding) { return inEncoding(this.#state.digest(), encoding); }
  copy() { return new Digest(this.#state.clone()); }
}
export const createHash = (name) => new Digest(named(name, 'createHash').create());
export const createHmac = (name, key) => new Digest(hmac.create(named(name, 'createHmac'), bytesOf(key)));
export const getHashes = () => [...known.keys()];
export const timingSafeEqual = (one, other) => {
  const [a, b] = [bufferOf(one, 'Each of the two'), bufferOf(other, 'Each of the two')];
  if (a.length !== b.length) throw Object.assign(new RangeError('Input buffers must have the same byte length.'), { code: 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH' });
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
};`;
