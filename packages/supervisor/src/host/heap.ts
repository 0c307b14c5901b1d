/** How much of this process's heap is free for runs. */
import { getHeapStatistics } from 'node:v8';

/**
 * V8's limit includes the young generation at its largest, into which nothing that is kept goes: three semi-spaces of 32 MiB. Measured with
 * Node 26.12: `--max-old-space-size=256` gives a limit of 352 MiB. Bytes.
 */
const YOUNG_BYTES = 96 * 1024 * 1024;
/** A host that has less free works as if it had so much: it needs some, and collects garbage more often. */
const LEAST_BYTES = 32 * 1024 * 1024;

/** Bytes that the heap can take besides the host itself, measured when the host starts. */
export function roomInHeap(): number {
  const { heap_size_limit, used_heap_size } = getHeapStatistics();
  return Math.max(LEAST_BYTES, heap_size_limit - YOUNG_BYTES - used_heap_size);
}
