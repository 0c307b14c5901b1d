/** A storage whose `enterWith` is a call of `run`, as the OpenAI Agents SDK has it where there is no `enterWith`. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { defineAgent } from '@corral/guest';

interface Storage {
  getStore(): unknown;
  run<T>(value: unknown, work: () => T): T;
}

class Overriding extends (AsyncLocalStorage as new () => Storage) {
  enterWith(value: unknown): void {
    super.run(value, () => undefined);
  }
}

export default defineAgent({
  name: 'overrides',
  async run() {
    const storage = new Overriding();
    return storage.run('inner', async () => {
      await Promise.resolve();
      return storage.getStore();
    });
  },
});
