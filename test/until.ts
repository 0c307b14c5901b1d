/** Waiting that ends: what does not come in time fails the test, and says what was waited for. */

/** For whatever a test waits for: as long as a machine that does ten other things may take, and less than the time of a test. */
const WITHIN_MS = 90_000;

/**
 * Looks again and again until it holds.
 * @param what said when it does not come to hold; by default the text of `holds`
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string = holds.toString(),
  within_ms = WITHIN_MS,
): Promise<void> {
  const end = performance.now() + within_ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`After ${within_ms / 1000} s this did not hold: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
