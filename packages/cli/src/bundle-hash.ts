/**
 * Stands in for the digests of `node:crypto` in a bundle. They compute and reach nothing, and many packages name what they keep by a digest.
 * Digests of `crypto.subtle` are asynchronous, so they cannot stand for these.
 */
import { fileURLToPath } from 'node:url';

const NOBLE = new URL('./', import.meta.resolve('@noble/hashes/sha2.js'));
const noble = (file: string): string => JSON.stringify(fileURLToPath(new URL(file, NOBLE)));

/** Members of `node:crypto` that the module exports. */
export const DIGESTS = ['createHash', 'createHmac', 'getHashes', 'timingSafeEqual'] as const;

/** @param buffer path of the module that has Buffer @returns the text of a module */
export const digestsModule = (buffer: string): string => `
import { sha224, sha256, sha384, sha512 } from ${noble('sha2.js')};
import { md5, sha1 } from ${noble('legacy.js')};
import { hmac } from ${noble('hmac.js')};
import { Buffer } from ${JSON.stringify(buffer)};
const known = new Map(Object.entries({ md5, sha1, sha224, sha256, sha384, sha512 }));
const named = (name) => {
  const found = known.get(String(name).toLowerCase().replace('-', ''));
  if (found === undefined) throw new Error('An agent has no digest ' + name + '; there are ' + [...known.keys()].join(', ') + '.');
  return found;
};
const bytesOf = (data, encoding) => {
  if (typeof data === 'string') return Buffer.from(data, encoding);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError('Data for a digest is a string, a typed array or a DataView.');
};
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
export const createHash = (name) => new Digest(named(name).create());
export const createHmac = (name, key) => new Digest(hmac.create(named(name), bytesOf(key)));
export const getHashes = () => [...known.keys()];
export const timingSafeEqual = (one, other) => {
  const [a, b] = [bytesOf(one), bytesOf(other)];
  if (a.length !== b.length) throw new RangeError('Input buffers must have the same byte length.');
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
};`;
