/** Spawns a child that fails four times, and returns how each ended, or why it was not started. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  run() {
    throw new Error('no');
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    const ends: string[] = [];
    for (let i = 0; i < 4; i++) {
      try {
        ends.push((await spawn(child, {}).ended).kind);
      } catch (error) {
        ends.push(codeOf(error));
      }
    }
    return ends;
  },
});
