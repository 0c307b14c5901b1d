/** Writes to the log for ever. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/log-flood',
  ceilings: { log_bytes: 100_000, crank_cpu_ms: 5_000 },
  run({ log }) {
    for (;;) log('All work and no play makes Jack a dull boy.');
  },
});
