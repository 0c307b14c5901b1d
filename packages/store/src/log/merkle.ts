/**
 * The Merkle tree of RFC 6962, section 2.1: SHA-256. Leaves and nodes are hashed with different prefixes (0x00 and 0x01), so that
 * neither can be presented as the other. A head (size and root) commits to every leaf and their order. Proofs show, without the
 * leaves, that a leaf is under a head, or that a later head only appends to an earlier one. Pure.
 */
import { createHash, hash } from 'node:crypto';

/** Root of the tree without leaves. */
export const EMPTY_ROOT: Uint8Array = hash('sha256', '', 'buffer');

const LEAF = Buffer.of(0x00);
const NODE = Buffer.of(0x01);

export function leafHash(leaf: string | Uint8Array): Buffer {
  return createHash('sha256').update(LEAF).update(leaf).digest();
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/**
 * The right edge of a growing tree: the roots of its complete subtrees, largest first. Appending costs one node hash on average,
 * and the root a node hash for each subtree.
 */
export class Frontier {
  readonly #subtrees: { readonly size: number; readonly root: Uint8Array }[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  append(leaf: Uint8Array): void {
    this.#size += 1;
    let size = 1;
    let root = leaf;
    for (let last = this.#subtrees.at(-1); last?.size === size; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      root = nodeHash(last.root, root);
      size *= 2;
    }
    this.#subtrees.push({ size, root });
  }

  root(): Uint8Array {
    const [last, ...rest] = this.#subtrees.toReversed();
    if (last === undefined) return EMPTY_ROOT;
    return rest.reduce<Uint8Array>((right, { root }) => nodeHash(root, right), last.root);
  }

  /** Gives `5:HEX,HEX`: the size and the roots of the subtrees, whose sizes follow from it. */
  toString(): string {
    return `${this.#size}:${this.#subtrees.map(({ root }) => Buffer.from(root).toString('hex')).join(',')}`;
  }

  static parse(text: string): Frontier {
    const [size = '', roots = ''] = text.split(':');
    const frontier = new Frontier();
    frontier.#size = Number(size);
    const hexes = roots === '' ? [] : roots.split(',');
    for (let left = frontier.#size; left > 0; left -= below(left + 1)) {
      const root = hexes.shift();
      if (root !== undefined) frontier.#subtrees.push({ size: below(left + 1), root: Buffer.from(root, 'hex') });
    }
    return frontier;
  }
}

/** The largest power of two that is smaller than `n`, for n > 1 (k in the RFC). */
function below(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** Gives the hash of the leaf with an index, from 0. */
export type LeafAt = (index: number) => Uint8Array;

/** Root of the leaves from `from` up to, not including, `to`. */
export function rootOf(at: LeafAt, from: number, to: number): Uint8Array {
  if (to <= from) return EMPTY_ROOT;
  if (to - from === 1) return at(from);
  const k = below(to - from);
  return nodeHash(rootOf(at, from, from + k), rootOf(at, from + k, to));
}

/** The audit path of a leaf in the tree of the first `size` leaves (2.1.1), nearest sibling first. */
export function inclusionProof(at: LeafAt, index: number, size: number): Uint8Array[] {
  const path = (from: number, to: number): Uint8Array[] => {
    if (to - from === 1) return [];
    const middle = from + below(to - from);
    return index < middle ? [...path(from, middle), rootOf(at, middle, to)] : [...path(middle, to), rootOf(at, from, middle)];
  };
  return index < 0 || index >= size ? [] : path(0, size);
}

/** Shows that the tree of `second` leaves begins with that of `first` (2.1.2). */
export function consistencyProof(at: LeafAt, first: number, second: number): Uint8Array[] {
  const proof = (m: number, from: number, to: number, whole: boolean): Uint8Array[] => {
    if (m === to - from) return whole ? [] : [rootOf(at, from, to)];
    const k = below(to - from);
    return m <= k
      ? [...proof(m, from, from + k, whole), rootOf(at, from + k, to)]
      : [...proof(m - k, from + k, to, false), rootOf(at, from, from + k)];
  };
  return first <= 0 || first >= second ? [] : proof(first, 0, second, true);
}

/** Whether a leaf is under a head, by its audit path. */
export function verifyInclusion(leaf: Uint8Array, index: number, size: number, proof: readonly Uint8Array[], root: Uint8Array): boolean {
  if (index < 0 || index >= size) return false;
  let node = index;
  let last = size - 1;
  let found: Uint8Array = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      found = nodeHash(sibling, found);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else found = nodeHash(found, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && same(found, root);
}

export interface Head {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether a head follows from an earlier one by appending only. */
export function verifyConsistency(first: Head, second: Head, proof: readonly Uint8Array[]): boolean {
  if (first.size > second.size || first.size < 0) return false;
  if (first.size === second.size) return proof.length === 0 && same(first.root, second.root);
  if (first.size === 0) return proof.length === 0 && same(first.root, EMPTY_ROOT);
  let node = first.size - 1;
  let last = second.size - 1;
  while (node % 2 === 1) {
    node = (node - 1) / 2;
    last = Math.floor(last / 2);
  }
  // A tree whose size is a power of two is a node of the later one, so its root is not repeated in the proof.
  const [start, ...rest] = node === 0 ? [first.root, ...proof] : proof;
  if (start === undefined) return false;
  let old = start;
  let now = start;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      old = nodeHash(sibling, old);
      now = nodeHash(sibling, now);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else now = nodeHash(now, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && same(old, first.root) && same(now, second.root);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);
