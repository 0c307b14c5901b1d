/** Parses a large JSON text; the parser does not look at the clock. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/parse',
  ceilings: { crank_cpu_ms: 200, memory_mib: 1024 },
  run() {
    return (JSON.parse(`[${'[1],'.repeat(4_500_000)}1]`) as unknown[]).length;
  },
});
