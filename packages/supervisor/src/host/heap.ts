/** How much of this process's heap is free for runs. */
import { getHeapStatistics } from 'node:v8';

/** V8's limit includes the young generation at its largest (three semi-spaces of 16 MiB), into which nothing that is kept goes. Bytes. */
const YOUNG_BYTES = 48 * 1024 * 1024;
/** A host with less works all the same, with what is left when it collects garbage. */
const LEAST_BYTES = 32 * 1024 * 1024;

/** What the heap can take besides the host itself, as it is when it starts. Bytes. */
export function roomInHeap(): number {
  const { heap_size_limit, used_heap_size } = getHeapStatistics();
  return Math.max(LEAST_BYTES, heap_size_limit - YOUNG_BYTES - used_heap_size);
}
