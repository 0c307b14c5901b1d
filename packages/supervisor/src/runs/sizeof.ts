/** How much memory plain data takes, roughly: queues that hold what agents say are bounded by it, and not by their length alone. */

const NODE_BYTES = 16;

/** Bytes; once it is more than `most`, no further than that is counted. */
export function weightOf(value: unknown, most: number): number {
  let bytes = 0;
  const left: unknown[] = [value];
  while (left.length > 0 && bytes <= most) {
    const one = left.pop();
    bytes += NODE_BYTES;
    if (typeof one === 'string') bytes += one.length * 2;
    else if (Array.isArray(one)) {
      // What is not there yet is counted before it is looked at, so that a long list is not copied for nothing.
      if (bytes + one.length * NODE_BYTES > most) return most + 1;
      for (const item of one) left.push(item);
    } else if (typeof one === 'object' && one !== null)
      for (const name in one) {
        bytes += name.length * 2;
        left.push((one as Record<string, unknown>)[name]);
      }
  }
  return bytes;
}
