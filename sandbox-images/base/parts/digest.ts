/**
 * Digests of SHA-1 and SHA-2 (FIPS 180-4), for `crypto.subtle.digest`. The constants are the roots of primes that the standard takes
 * them from, so that none can be mistyped; packages/cell/src/web.test.ts compares the results with Node's.
 */

/** The first bits of the fractional part of the root of a prime. */
function fraction(prime: number, root: 2n | 3n, bits: bigint): bigint {
  const wanted = BigInt(prime) << (root * bits);
  let low = 0n;
  let high = 1n << (bits + 10n);
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** root <= wanted) low = middle;
    else high = middle;
  }
  return low & ((1n << bits) - 1n);
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}

/** The message with a one, zeros, and its length in bits, so that it fills whole blocks. */
function padded(message: Uint8Array, block: 64 | 128): DataView {
  const length = Math.ceil((message.length + 1 + block / 8) / block) * block;
  const bytes = new Uint8Array(length);
  bytes.set(message);
  bytes[message.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(length - 8, Math.floor(message.length / 0x2000_0000));
  view.setUint32(length - 4, (message.length << 3) >>> 0);
  return view;
}

function words32(state: ArrayLike<number>): Uint8Array {
  const view = new DataView(new ArrayBuffer(state.length * 4));
  for (let i = 0; i < state.length; i++) view.setUint32(i * 4, state[i] as number);
  return new Uint8Array(view.buffer);
}

const left = (x: number, n: number) => (x << n) | (x >>> (32 - n));
const right = (x: number, n: number) => (x >>> n) | (x << (32 - n));

function sha1(message: Uint8Array): Uint8Array {
  const view = padded(message, 64);
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const w = new Int32Array(80);
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < 80; i++)
      w[i] = left((w[i - 3] as number) ^ (w[i - 8] as number) ^ (w[i - 14] as number) ^ (w[i - 16] as number), 1);
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
    for (let i = 0; i < 80; i++) {
      const [f, k] =
        i < 20
          ? [(b & c) ^ (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) ^ (b & d) ^ (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      const next = (left(a, 5) + f + e + k + (w[i] as number)) | 0;
      [e, d, c, b, a] = [d, c, left(b, 30), a, next];
    }
    for (const [i, value] of [a, b, c, d, e].entries()) state[i] = (state[i] as number) + value;
  }
  return words32(state);
}

function sha256(message: Uint8Array): Uint8Array {
  const view = padded(message, 64);
  const k = Int32Array.from(primes(64), (prime) => Number(fraction(prime, 3n, 32n)));
  const state = Int32Array.from(primes(8), (prime) => Number(fraction(prime, 2n, 32n)));
  const w = new Int32Array(64);
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < 64; i++) {
      const [x, y] = [w[i - 15] as number, w[i - 2] as number];
      w[i] =
        (right(y, 17) ^ right(y, 19) ^ (y >>> 10)) +
        (w[i - 7] as number) +
        (right(x, 7) ^ right(x, 18) ^ (x >>> 3)) +
        (w[i - 16] as number);
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
    for (let i = 0; i < 64; i++) {
      const one = (h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + (k[i] as number) + (w[i] as number)) | 0;
      const two = ((right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] as number) + value;
  }
  return words32(state);
}

const MASK = (1n << 64n) - 1n;
const turn = (x: bigint, n: bigint) => ((x >> n) | (x << (64n - n))) & MASK;

/** SHA-512 and SHA-384, which differ in where they begin and how much of the end they give. */
function sha512(message: Uint8Array, bytes: 48 | 64): Uint8Array {
  const view = padded(message, 128);
  const k = primes(80).map((prime) => fraction(prime, 3n, 64n));
  const state = primes(16)
    .slice(bytes === 64 ? 0 : 8)
    .slice(0, 8)
    .map((prime) => fraction(prime, 2n, 64n));
  for (let at = 0; at < view.byteLength; at += 128) {
    const w = Array.from({ length: 16 }, (_, i) => view.getBigUint64(at + i * 8));
    for (let i = 16; i < 80; i++) {
      const [x, y] = [w[i - 15] as bigint, w[i - 2] as bigint];
      const [s, t] = [turn(x, 1n) ^ turn(x, 8n) ^ (x >> 7n), turn(y, 19n) ^ turn(y, 61n) ^ (y >> 6n)];
      w.push((t + (w[i - 7] as bigint) + s + (w[i - 16] as bigint)) & MASK);
    }
    let [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n, h = 0n] = state;
    for (let i = 0; i < 80; i++) {
      const one = h + (turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n)) + ((e & f) ^ (~e & MASK & g)) + (k[i] as bigint) + (w[i] as bigint);
      const two = (turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) & MASK, c, b, a, (one + two) & MASK];
    }
    for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = ((state[i] as bigint) + value) & MASK;
  }
  const out = new DataView(new ArrayBuffer(64));
  for (const [i, word] of state.entries()) out.setBigUint64(i * 8, word);
  return new Uint8Array(out.buffer).slice(0, bytes);
}

const DIGESTS: Readonly<Record<string, (message: Uint8Array) => Uint8Array>> = {
  'SHA-1': sha1,
  'SHA-256': sha256,
  'SHA-384': (message) => sha512(message, 48),
  'SHA-512': (message) => sha512(message, 64),
};

/** @throws NotSupportedError for another algorithm, TypeError for a value that is not a buffer */
export async function digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
  const name = String(
    typeof algorithm === 'object' && algorithm !== null ? (algorithm as { name?: unknown }).name : algorithm,
  ).toUpperCase();
  const make = Object.hasOwn(DIGESTS, name) ? DIGESTS[name] : undefined;
  if (make === undefined)
    throw new DOMException(
      `There is no digest called ${name.slice(0, 40)}; there are ${Object.keys(DIGESTS).join(', ')}.`,
      'NotSupportedError',
    );
  if (!ArrayBuffer.isView(data) && !(data instanceof ArrayBuffer)) throw new TypeError('digest takes an ArrayBuffer or a view of one');
  const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  return make(bytes.slice()).buffer as ArrayBuffer;
}
