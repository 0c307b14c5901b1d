/** Looks that a host takes again and again. If one fails, as all that write do while the disk is full, the others still have their turn. */

/** A look, and the sentence that a failure of it is reported by. */
export type Look = readonly [failed: string, look: () => unknown];

/** @param warn is told of each look that fails @returns what ends them */
export function looking(every_ms: number, looks: readonly Look[], warn: (error: unknown, failed: string) => void): () => void {
  const timer = setInterval(() => {
    for (const [failed, look] of looks) void (async () => look())().catch((error: unknown) => warn(error, failed));
  }, every_ms).unref();
  return () => clearInterval(timer);
}
