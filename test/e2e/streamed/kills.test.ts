/** An AI SDK agent whose host and cell are killed in the middle of a stream and of a tool; `npm run test:long` kills fifty. */
import { expect, test } from 'vitest';
import { killInStreams } from './kills.ts';

test(
  'an agent of the AI SDK goes on where it was: nothing finished is done again, and its follower misses nothing',
  { tags: 'long' },
  async () => {
    const { faults, kills } = await killInStreams(3);
    expect(faults).toEqual([]);
    expect(kills).toBe(3);
  },
);
