/** Replaces everything that an agent can reach, one property at a time; tampering.test.ts replaces all properties of an object together. */
import { expect, test } from 'vitest';
import { expectNameUnread, expectUsual, namesOfPrelude, places } from './fixtures/tampered.ts';

test('each property is replaced in turn, and the run ends as it would have, live and replayed', { timeout: 1_200_000 }, () => {
  let replaced = 0;
  for (const { route, keys } of places())
    for (const key of keys) {
      expectUsual({ route, keys: [key] });
      replaced += 1;
    }
  expect(replaced).toBeGreaterThan(900);
});

test('each name that the prelude reads is a getter of Object.prototype that throws', { timeout: 1_200_000 }, () => {
  const names = namesOfPrelude();
  expect(names.length).toBeGreaterThan(300);
  for (const name of names) expectNameUnread('Object', name);
});
