/** Starts a child that fails where its input says so, and waits for its end, or leaves. */
import { defineAgent } from '@corral/guest';

interface Job {
  readonly fail?: boolean;
  readonly leaves?: boolean;
}

const child = defineAgent({
  name: 'child',
  run({ input }) {
    if ((input as Job).fail === true) throw new Error('no');
    return 'well';
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn, input }) {
    const kid = spawn(child, input);
    return (input as Job).leaves === true ? 'gone' : (await kid.ended).kind;
  },
});
