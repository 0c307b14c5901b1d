/** Each target of the fuzzer finds the bug that is planted for it, within the seconds that a slice gives it. */
import { expect, test } from 'vitest';
import { fuzz } from './engine.ts';
import { TARGETS } from './targets.ts';

/** Those that take longest until they have it. */
const LONG = new Set(['policies', 'frames', 'bundles']);
test.each(TARGETS.filter(({ name }) => !LONG.has(name)))(
  '$name finds the bug that is planted for it, and breaks nothing else before',
  (target) => expectFound(target),
);
test.each(TARGETS.filter(({ name }) => LONG.has(name)))(
  '$name finds the bug that is planted for it, and breaks nothing else before',
  { tags: 'long' },
  (target) => expectFound(target),
);

function expectFound(target: (typeof TARGETS)[number]): void {
  const found = fuzz(target, [], { seed: 7, until: performance.now() + 60_000, planted: true }).found;
  expect(found?.error.message ?? 'nothing was found').toMatch(target.name === 'frames' ? /deep/ : /planted bug/);
  expect(() => target.run(found?.input ?? Buffer.alloc(0), false)).not.toThrow();
}
