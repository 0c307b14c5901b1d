/** How much of this process's heap is free for runs. */
import { getHeapStatistics } from 'node:v8';

/** V8's limit includes the young generation at its largest (three semi-spaces of 16 MiB), into which nothing that is kept goes. Bytes. */
const YOUNG_BYTES = 48 * 1024 * 1024;
/** A host that has less free works as if it had so much: it needs some, and collects garbage more often. */
const LEAST_BYTES = 32 * 1024 * 1024;

/** Bytes that the heap can take besides the host itself, measured when the host starts. */
export function roomInHeap(): number {
  const { heap_size_limit, used_heap_size } = getHeapStatistics();
  return Math.max(LEAST_BYTES, heap_size_limit - YOUNG_BYTES - used_heap_size);
}
