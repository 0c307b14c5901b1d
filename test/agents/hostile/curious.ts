/** Calls tools that let a secret out in results and errors, and logs, emits and returns what it saw. It gains the secret. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'curious',
  uses: {
    result: 'tool:leak.result',
    error: 'tool:leak.error',
    told: 'tool:leak.told',
    missing: 'tool:leak.missing',
    honest: 'tool:honest',
  },
  async run({ caps, log, emit }) {
    const seen: unknown[] = [await caps.honest({})];
    for (const name of ['result', 'error', 'told', 'missing'] as const) {
      try {
        seen.push(await caps[name]({}));
      } catch (error) {
        seen.push(String(error) + (error as Error).stack);
      }
    }
    log(JSON.stringify(seen));
    emit('seen', seen);
    return seen;
  },
});
