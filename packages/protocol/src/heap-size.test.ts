import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { heapSizeOf } from './heap-size.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
// Isolates that other files of this process make are to have no such global.
setFlagsFromString('--no-expose-gc');

const each = <T>(length: number, make: (i: number) => T) => JSON.stringify(Array.from({ length }, (_, i) => make(i)));

/** Bytes in use once no collection finds more: one alone leaves what is only let go by a later one, such as code that was not run for long. */
function heapUsed(): number {
  let used = Number.POSITIVE_INFINITY;
  for (;;) {
    gc();
    const now = process.memoryUsage().heapUsed;
    if (now >= used) return now;
    used = now;
  }
}

/** JSON texts of which each kind takes another multiple of its length. `i`: no two of them are equal. */
const KINDS: Readonly<Record<string, (i: number) => string>> = {
  'a long text': (i) => `"${'y'.repeat(100_000)}${i}"`,
  'a text beyond Latin-1': (i) => `"${'y'.repeat(100_000)}€${i}"`,
  'many short texts': (i) => each(5_000, (n) => `s${i}-${n}`),
  'empty objects': () => each(20_000, () => ({})),
  'empty lists': () => each(20_000, () => []),
  'whole numbers': () => each(50_000, () => 0),
  fractions: () => each(50_000, () => 0.5),
  'members that are fractions': () => each(5_000, () => ({ a: 0.5, b: 1.5 })),
  records: (i) => each(2_000, (n) => ({ id: n, name: `n${i}-${n}`, tags: ['a', 'b'], at: 1e12 + n })),
  'an object of many names': (i) => JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${i}-${n}`, n]))),
  'objects with a name of their own each': (i) => each(1_000, (n) => ({ [`k${i}-${n}`]: n })),
  'lists in lists': () => `${'['.repeat(2_000)}1${']'.repeat(2_000)}`,
};

test.each(Object.entries(KINDS))('the size of %s is what it takes in the heap, within a fifth', (_, make) => {
  // A buffer as the source: a text made of parts would be copied when it is read.
  const texts = Array.from({ length: 20 }, (_, i) => Buffer.from(make(i)).toString());
  const before = heapUsed();
  const values = texts.map((text) => JSON.parse(text) as unknown);
  const took = heapUsed() - before;
  const said = values.reduce((sum: number, value) => sum + heapSizeOf(value), 0);
  expect(said / took).toBeGreaterThan(0.8);
  expect(said / took).toBeLessThan(1.2);
});

test('a size is counted no further than asked', () => {
  expect(heapSizeOf(Array.from({ length: 1e5 }), 1000)).toBeGreaterThan(1000);
  const deep = JSON.parse('['.repeat(5000) + ']'.repeat(5000)) as unknown;
  expect(heapSizeOf(deep, 1000)).toBeLessThan(1100);
  expect(heapSizeOf('ab', 1000)).toBe(24);
});
