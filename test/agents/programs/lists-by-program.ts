/** Holds two capabilities and hands one of them to a program that waits. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'lister',
  uses: { read: 'tool:fs.read', list: 'tool:fs.list' },
  code: true,
  async run({ caps, spawn }) {
    return (await spawn.code('await sleep(1e9)', { caps: { list: caps.list } }).ended).kind;
  },
});
