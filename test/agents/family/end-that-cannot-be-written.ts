/** Waits for a child whose end a test keeps out of the store, and returns how it ended. */
import { defineAgent } from '@corral/guest';
import { endCodeOf } from '../outcomes.ts';

const kid = defineAgent({
  name: 'kid',
  async run() {
    return 'an end that cannot be written';
  },
});
export default defineAgent({
  name: 'a',
  spawns: { kid },
  async run({ spawn }) {
    const end = await spawn(kid, {}).ended;
    return [end.kind, endCodeOf(end)];
  },
});
