/**
 * Where large texts are cut into parts: where their content says so (content-defined chunking, Muthitacharoen et al. 2001, with the rolling
 * hash of Xia et al. 2016). So a text that contains most of another one shares most of its parts, wherever something was added, changed or
 * left out: a conversation that grows message by message is stored once, with a few parts more for each message.
 *
 * The hash is keyed by a secret of the tenant. Otherwise the lengths of the parts, which are not encrypted, would be a fingerprint by which
 * anybody who has a text could find it in a store, and by which the texts of two tenants could be compared.
 */
import { hkdfSync } from 'node:crypto';

/** A shorter text is one part. */
export const CUT_BYTES = 8 * 1024;
/** Longer texts are cut into parts that are four times as large, so that their number, and the work for them, stays bounded. */
const COARSE_BYTES = 1024 * 1024;
const COARSER = 4;
/** Bytes of a part. The average is that of a message: smaller parts cost more rows, larger ones are written again for each change in them. */
const PART = { least: 512, average: 2 * 1024, most: 8 * 1024 } as const;
/** Parts that are listed together. Lists are cut into lists as texts are into parts, by the ids of what they list. */
const LISTED = { least: 4, average: 16, most: 64 } as const;

const WORD = 0x1_0000_0000;

/** A random number for each byte. */
export type Gear = Uint32Array;

/** @param secret of the tenant */
export function gearOf(secret: Uint8Array): Gear {
  return new Uint32Array(hkdfSync('sha256', secret, '', 'gear', 256 * Uint32Array.BYTES_PER_ELEMENT));
}

/** Positions at which the parts of a text end, in order; the last one is its length. @param bytes UTF-8; no character is cut in two */
export function endsOf(bytes: Uint8Array, gear: Gear): number[] {
  if (bytes.length <= CUT_BYTES) return [bytes.length];
  const factor = bytes.length < COARSE_BYTES ? 1 : COARSER;
  const [least, most] = [PART.least * factor, PART.most * factor];
  const below = WORD / ((PART.average - PART.least) * factor);
  const ends: number[] = [];
  for (let from = 0; from < bytes.length;) {
    let end = endOf(bytes, gear, from + least, Math.min(from + most, bytes.length), below);
    while (isWithinCharacter(bytes[end])) end += 1;
    ends.push(end);
    from = end;
  }
  return ends;
}

function endOf(bytes: Uint8Array, gear: Gear, from: number, most: number, below: number): number {
  let hash = 0;
  // The hash is of the last 32 bytes, so that it does not depend on where the part began.
  for (let at = Math.max(0, from - 32); at < most; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0;
    if (at >= from && hash >>> 0 < below) return at + 1;
  }
  return most;
}

/** The second or a later byte of a character in UTF-8. */
const isWithinCharacter = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** Splits a list where the id of an item says so. Ids are hashes, and keyed as the cuts of texts are. */
export function grouped<T extends { readonly id: string }>(items: readonly T[]): T[][] {
  const groups: T[][] = [];
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    const isEnd = group.length >= LISTED.least && Buffer.from(item.id, 'base64url').readUInt32LE() < WORD / (LISTED.average - LISTED.least);
    if (!isEnd && group.length < LISTED.most) continue;
    groups.push(group);
    group = [];
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
