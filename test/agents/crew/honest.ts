/** Computes for a while in one crank and ends: the floor of what is measured beside hostile agents. It counts turns, since an agent has no clock. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'honest',
  run() {
    let x = 0;
    for (let i = 0; i < 1e8; i++) x = (x * 31 + i) | 0;
    return x;
  },
});
