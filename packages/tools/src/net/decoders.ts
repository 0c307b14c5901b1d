/** The codings of bodies that the host can undo. The reader of the result bounds its size: a small body may become a large one. */
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** The value of `accept-encoding`. */
export const CODINGS = 'gzip, deflate, br, zstd';

/** @returns `identity` for a body as it is; undefined for a coding, or several of them, that the host does not know */
export function decoderOf(contentEncoding: string | undefined): Transform | 'identity' | undefined {
  const coding = contentEncoding?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return 'identity';
  return Object.hasOwn(DECODERS, coding) ? DECODERS[coding]?.() : undefined;
}
