/** Approximate memory of plain data. Queues with data of agents are bounded by it, and not only by their length. */

const NODE_BYTES = 16;

/** @returns bytes; counting stops once they exceed `most` */
export function sizeOf(value: unknown, most: number): number {
  let bytes = 0;
  const left: unknown[] = [value];
  while (left.length > 0 && bytes <= most) {
    const one = left.pop();
    bytes += NODE_BYTES;
    if (typeof one === 'string') bytes += one.length * 2;
    else if (Array.isArray(one)) {
      // The items of a list are counted before they are copied, so that a list that is too long is not copied at all.
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
