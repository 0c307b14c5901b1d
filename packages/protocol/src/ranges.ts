/** Numbers of calls and entries as people write them, where several are about the same: `1–3, 7`. */

/** @param numbers in ascending order */
export function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const one of numbers) {
    const last = parts.at(-1);
    if (last !== undefined && one === last[1] + 1) last[1] = one;
    else parts.push([one, one]);
  }
  return parts.map(([first, last]) => (first === last ? String(first) : `${first}–${last}`)).join(', ');
}
