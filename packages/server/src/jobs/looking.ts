/** Looks that a host takes again and again. If one fails, as all that write do while the disk is full, the others still have their turn. */

/** @param looks each under the sentence by which its failure is reported @returns a function that ends them */
export function looking(
  every_ms: number,
  looks: Readonly<Record<string, () => unknown>>,
  report: (error: unknown, failed: string) => void,
): () => void {
  const timer = setInterval(() => {
    for (const [failed, look] of Object.entries(looks)) void (async () => look())().catch((error: unknown) => report(error, failed));
  }, every_ms).unref();
  return () => clearInterval(timer);
}
