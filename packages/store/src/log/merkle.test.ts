import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { consistencyProof, EMPTY_ROOT, Frontier, inclusionProof, leafHash, rootOf, verifyConsistency, verifyInclusion } from './merkle.ts';

/** The leaves and roots that implementations of RFC 6962 are tested with (google/certificate-transparency, merkle_tree_test). */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((hex) =>
  leafHash(Buffer.from(hex, 'hex')),
);
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const at = (index: number) => LEAVES[index] as Buffer;
const hex = (all: readonly Uint8Array[]) => all.map((one) => Buffer.from(one).toString('hex'));

describe('the reference vectors', () => {
  test('the empty tree', () => {
    expect(Buffer.from(EMPTY_ROOT).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(new Frontier().root()).toEqual(EMPTY_ROOT);
  });

  test.each(ROOTS.map((root, i) => [i + 1, root] as const))('the root of %i leaves, by recursion and by appending', (size, root) => {
    expect(Buffer.from(rootOf(at, 0, size)).toString('hex')).toBe(root);
    const frontier = new Frontier();
    for (let i = 0; i < size; i += 1) frontier.append(at(i));
    expect(Buffer.from(frontier.root()).toString('hex')).toBe(root);
  });

  test.each([
    [
      0,
      8,
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      5,
      8,
      [
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        ROOTS[3],
      ],
    ],
    [2, 3, [ROOTS[1]]],
    [
      1,
      5,
      [
        ROOTS[0],
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ])('the audit path of leaf %i of %i', (index, size, path) => {
    expect(hex(inclusionProof(at, index, size))).toEqual(path);
  });

  test.each([
    [1, 1, []],
    [
      1,
      8,
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      6,
      8,
      [
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        ROOTS[3],
      ],
    ],
    [
      2,
      5,
      [
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ])('the consistency of %i with %i leaves', (first, second, proof) => {
    expect(hex(consistencyProof(at, first, second))).toEqual(proof);
  });
});

const tree = fc.array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 70 }).map((leaves) => leaves.map((one) => leafHash(one)));

describe('any tree', () => {
  test('proves each of its leaves, and no other one in its place', () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.nat(), (leaves, a, b) => {
        const of = (index: number) => leaves[index] as Buffer;
        const [i, other] = [a % leaves.length, leafHash(`other ${b}`)];
        const root = rootOf(of, 0, leaves.length);
        const proof = inclusionProof(of, i, leaves.length);
        expect(verifyInclusion(of(i), i, leaves.length, proof, root)).toBe(true);
        expect(verifyInclusion(other, i, leaves.length, proof, root)).toBe(false);
        expect(verifyInclusion(of(i), i, leaves.length, [...proof, other], root)).toBe(false);
        expect(proof.length > 0 && verifyInclusion(of(i), i, leaves.length, proof.slice(1), root)).toBe(false);
      }),
    );
  });

  test('proves that it only grew, and not where an earlier leaf was changed', () => {
    fc.assert(
      fc.property(tree, fc.nat(), fc.nat(), (leaves, a, b) => {
        const of = (index: number) => leaves[index] as Buffer;
        const first = { size: (a % leaves.length) + 1, root: rootOf(of, 0, (a % leaves.length) + 1) };
        const second = { size: leaves.length, root: rootOf(of, 0, leaves.length) };
        expect(verifyConsistency(first, second, consistencyProof(of, first.size, second.size))).toBe(true);
        const changed = (index: number) => (index === b % first.size ? leafHash('changed') : of(index));
        const forged = { size: leaves.length, root: rootOf(changed, 0, leaves.length) };
        expect(verifyConsistency(first, forged, consistencyProof(changed, first.size, forged.size))).toBe(false);
      }),
    );
  });

  test('goes on from what was written down of it', () => {
    fc.assert(
      fc.property(tree, fc.nat(), (leaves, cut) => {
        const whole = new Frontier();
        let half = new Frontier();
        for (const [i, leaf] of leaves.entries()) {
          whole.append(leaf);
          half.append(leaf);
          if (i === cut % leaves.length) half = Frontier.parse(half.toString());
        }
        expect(half.toString()).toBe(whole.toString());
        expect(half.root()).toEqual(whole.root());
      }),
    );
  });
});
