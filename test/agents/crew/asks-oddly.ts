/** Calls the tool once for each way in which it may answer, and returns what came of each: the value, or the error's code and message. */
import { defineAgent } from '@corral/guest';

interface Refusal {
  readonly code: string;
  readonly message: string;
}

export default defineAgent({
  name: 'a',
  uses: { odd: 'tool:odd' },
  async run({ input, caps }) {
    const told: unknown[] = [];
    for (const how of (input as { hows: string[] }).hows)
      told.push(await caps.odd({ how }, { retry: { attempts: 1 } }).catch((error: Refusal) => [error.code, error.message]));
    return told;
  },
});
