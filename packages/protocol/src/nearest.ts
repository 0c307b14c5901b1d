/** Which known name somebody may have meant who wrote one that is not known. */

/** A name is offered if at most a third of its characters, and never more than three, are other ones. */
const MOST = 3;
const LONGEST = 100;

/** ` Did you mean X?`, or nothing where no known name is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  let best: string | undefined;
  let least = Math.min(MOST, Math.floor(name.length / 3)) + 1;
  for (const one of known) {
    if (Math.abs(one.length - name.length) >= least) continue;
    const edits = editsBetween(name, one);
    if (edits < least) [best, least] = [one, edits];
  }
  return best === undefined ? '' : ` Did you mean ${best}?`;
}

/** How many characters must be put in, taken out, changed, or swapped with the next (Damerau and Levenshtein). */
function editsBetween(a: string, b: string): number {
  if (a.length > LONGEST || b.length > LONGEST) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] as number) + 1 : Number.POSITIVE_INFINITY;
      const changed = (row[j - 1] as number) + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, changed, swapped));
    }
    [before, row] = [row, next];
  }
  return row[b.length] as number;
}
