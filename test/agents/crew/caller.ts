/** Makes as many calls at once as its input says, and returns how each ended. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'caller',
  purpose: 'calls',
  uses: { work: 'tool:work' },
  async run({ input, caps }) {
    const { times, timeout_ms } = input as { times: number; timeout_ms?: number };
    const all = Array.from({ length: times }, (_, i) =>
      caps.work({ i }, timeout_ms === undefined ? {} : { timeout_ms }).then(
        () => 'ok',
        (error: { code: string; retryable: boolean }) => `${error.code} ${error.retryable}`,
      ),
    );
    return { ends: await Promise.all(all) };
  },
});
