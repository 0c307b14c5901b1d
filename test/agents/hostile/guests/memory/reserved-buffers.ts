/** Reserves address space by buffers that may grow to a gigabyte each, and touches none. It gains the addresses of the process. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)', 'failed(CORRAL_AGENT_THREW)'] };

export default defineAgent({
  name: 'reserved-buffers',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run() {
    const all: ArrayBuffer[] = [];
    for (;;) all.push(new ArrayBuffer(8, { maxByteLength: 2 ** 30 }));
  },
});
