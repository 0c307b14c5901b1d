/** Suggests a known name for a misspelt one. */

/** A name is suggested if at most a third of its characters, and never more than three, differ. */
const MOST = 3;
const LONGEST = 100;

/** Gives ` Did you mean X?`, or nothing if no known name is similar. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const best = nearest(name, known);
  return best === undefined ? '' : ` Did you mean ${best}?`;
}

/** The known name that is most similar; undefined if none is similar. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.min(MOST, Math.floor(name.length / 3)) + 1;
  for (const one of known) {
    if (Math.abs(one.length - name.length) >= least) continue;
    const edits = editsBetween(name, one);
    if (edits < least) [best, least] = [one, edits];
  }
  return best;
}

/** Number of insertions, deletions, changes and swaps of neighbours between two texts (Damerau and Levenshtein). */
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
