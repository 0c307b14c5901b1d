/** The front door, asked for everything a dozen times; api.long.test.ts asks more often. */
import { expect, test } from 'vitest';
import { askEverything } from './ask.ts';

test('every answer to anything is one of those the document knows', async () => {
  // Without an answer that it does not know.
  expect(await askEverything(12)).toBeGreaterThan(250);
});
