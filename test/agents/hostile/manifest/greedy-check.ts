/** Fills memory while its input is checked, and takes the input if it could. It gains memory of the host before any run of it is admitted. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod';

const filled = () => {
  const all: object[] = [];
  for (let i = 0; i < 8e6; i += 1) all.push({ i });
  return all.length === 0;
};

export default defineAgent({
  name: 'greedy',
  ceilings: { memory_mib: 1024, crank_cpu_ms: 10_000 },
  input: z.object({ name: z.string().refine(filled) }),
  run: () => 1,
});
