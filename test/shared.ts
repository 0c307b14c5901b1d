/** Parts that all tests of a file share, such as a host: made before the first of them, ended after the last in the opposite order. */
import { afterAll, beforeAll } from 'vitest';

/** Takes what is to be done when a host or a folder is no longer needed. */
export type Finished = (end: () => void | Promise<void>) => void;

/**
 * Called at the top of the file.
 * @param made is given it before the first test @param on false: it is not made, since no test of the file runs
 */
export function shared<T>(make: (finished: Finished) => Promise<T>, made: (one: T) => unknown = () => undefined, on = true): () => T {
  const ends: (() => void | Promise<void>)[] = [];
  let one: T | undefined;
  beforeAll(async () => {
    if (!on) return;
    one = await make((end) => ends.push(end));
    await made(one);
  });
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });
  return () => one as T;
}
