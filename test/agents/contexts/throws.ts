/** Throws after an await, in a function that another one waits for. */
import { defineAgent } from '@corral/guest';
import { AsyncLocalStorage } from 'node:async_hooks';

const storage = new (AsyncLocalStorage as new () => { run<T>(value: unknown, work: () => T): T })();

async function deepest(): Promise<never> {
  await Promise.resolve();
  throw new RangeError('too deep');
}

export default defineAgent({
  name: 'throws',
  run: () => storage.run(1, async () => await deepest()),
});
