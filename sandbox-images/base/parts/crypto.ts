/**
 * `crypto` from the run's seed: ChaCha20 (RFC 8439) as a stream, so that the bytes are unpredictable to everyone who does
 * not hold the run's header, and the same on replay.
 */
import { chacha20 } from '@noble/ciphers/chacha.js';
import { digest } from './digest.ts';

const BLOCK = 4096;

export default function crypto({ seed }: { seed: () => string }): Record<string, unknown> {
  let key: Uint8Array | undefined;
  const zeros = new Uint8Array(BLOCK);
  const nonce = new Uint8Array(12);
  let pool = new Uint8Array(0);
  let used = 0;

  const fill = (into: Uint8Array) => {
    for (let i = 0; i < into.length; i++) {
      if (used === pool.length) {
        key ??= Uint8Array.from({ length: 32 }, (_, n) => Number.parseInt(seed().slice(n * 2, n * 2 + 2), 16));
        pool = chacha20(key, nonce, zeros);
        for (let n = 0; n < nonce.length; n++) {
          nonce[n] = ((nonce[n] as number) + 1) & 255;
          if (nonce[n] !== 0) break;
        }
        used = 0;
      }
      into[i] = pool[used++] as number;
    }
  };

  return {
    crypto: Object.freeze({
      /** Keys are a host's business; an agent can only take digests. */
      subtle: Object.freeze({ digest }),
      getRandomValues<T extends ArrayBufferView>(array: T): T {
        if (!ArrayBuffer.isView(array) || /^(Float|DataView)/.test(array.constructor.name)) {
          throw new DOMException('getRandomValues takes an integer typed array', 'TypeMismatchError');
        }
        if (array.byteLength > 65536) throw new DOMException('more than 65536 bytes at once', 'QuotaExceededError');
        fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
        return array;
      },
      randomUUID(): string {
        const bytes = new Uint8Array(16);
        fill(bytes);
        bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
        bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
        const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
        return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
      },
    }),
  };
}
