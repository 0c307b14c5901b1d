/** The front door, asked for everything as often as there is time for. */
import { expect, test } from 'vitest';
import { askEverything } from './ask.ts';

test('every answer to anything is one of those the document knows', { timeout: 1_200_000 }, async () => {
  // Without an answer that it does not know.
  expect(await askEverything(600)).toBeGreaterThan(250);
});
