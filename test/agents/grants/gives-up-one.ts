/** Reads twice and pays once at the same time, gives the first reading up while it is under way, and waits for the others. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { uses } from './uses.ts';

export default defineAgent({
  name: 'owner',
  uses,
  async run({ caps, sleep }) {
    const giveUp = new AbortController();
    const first = caps.read({ path: 'a' }, { signal: giveUp.signal }).catch((error: Error) => error.name);
    const others = [code(caps.read({ path: 'b' })), code(caps.pay({}))];
    await sleep(1);
    giveUp.abort();
    return Promise.all([first, ...others]);
  },
});
