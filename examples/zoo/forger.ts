/** Makes up capabilities by counting: goes below the SDK and names an index that it was never given. */
import { defineAgent } from '@corral/guest';

interface Raw {
  readonly effect: (effect: object) => Promise<unknown>;
}

export default defineAgent({
  name: 'zoo/forger',
  async run() {
    const { effect } = (globalThis as unknown as { corral: Raw }).corral;
    for (let cap = 1; cap < 100; cap++) {
      await effect({ kind: 'call', id: 'next', cap, input: { path: '/etc/passwd' } }).catch(() => undefined);
    }
  },
});
