/** `corral replay --inspect` takes code out of its cell, and so refuses what no author stands for. */
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import { expect, test } from 'vitest';
import { inspect } from './inspect.ts';

test('a program that an agent made is not run under a debugger', async () => {
  const run = { record: { id: 'run_000000000000', program: { source: 'return 1' } } } as unknown as StoredRun;
  await expect(inspect({} as Store, run, [])).rejects.toMatchObject({
    code: 'CORRAL_USAGE',
    message: expect.stringContaining('runs in a cell alone') as string,
  });
});
