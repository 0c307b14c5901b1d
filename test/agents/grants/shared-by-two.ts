/** Two children share one capability, which is narrowed by the terms of the input, and each reads the paths of the input. */
import { defineAgent, type Attenuation } from '@corral/guest';
import { code } from '../code.ts';
import { uses } from './uses.ts';

const worker = defineAgent({
  name: 'worker',
  uses,
  async run({ input, caps }) {
    const codes: string[] = [];
    for (const path of input as string[]) codes.push(await code(caps.read({ path })));
    return codes;
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { worker },
  async run({ input, caps, spawn }) {
    const { terms, paths } = input as { terms: Attenuation; paths: string[] };
    const read = caps.read.attenuate(terms);
    const kids = [0, 1].map(() => spawn(worker, paths, { caps: { read, pay: caps.pay }, budget: { calls: 20 } }).ended);
    return (await Promise.all(kids)).map((end) => ('output' in end ? end.output : end));
  },
});
