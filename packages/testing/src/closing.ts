/**
 * Agents under test have processes and threads, which would keep a test file from ending if a test fails before it closes its agent. So
 * the end of the file closes those that are still open.
 */

const open = new Set<() => Promise<void>>();

/** @returns `close`, which is run once, at the latest when the test file ends */
export function closedOnce(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  const once = () => {
    open.delete(once);
    return (closing ??= close());
  };
  open.add(once);
  return once;
}

// Set by `node --test`. Elsewhere, importing node:test would make this process a test of its own. This module is loaded outside of any
// test, so the hook belongs to the whole file.
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  const { after } = await import('node:test');
  after(async () => {
    await Promise.allSettled([...open].map((close) => close()));
  });
}
