/** A fault in a policy, with its place: the form in which loading and checking report. */

export type ProblemKind =
  | 'syntax'
  | 'unknown_tool'
  | 'unknown_action'
  | 'unknown_entity'
  | 'unknown_attribute'
  | 'unguarded_optional'
  | 'wrong_type'
  | 'annotation'
  | 'duplicate_id'
  | 'never_applies'
  | 'other';

export interface Problem {
  /** An error prevents loading; a warning does not. */
  readonly severity: 'error' | 'warning';
  readonly kind: ProblemKind;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number;
  readonly policy: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** `policies/pay.cedar:12:8: error: … (hint)`, one a line, as editors and CI parse it. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ severity, file, line, column, policy, message, hint }) => {
      const where = `${file}:${line}:${column}: ${severity}: ${message}${policy === undefined ? '' : ` [${policy}]`}`;
      return hint === undefined ? where : `${where}\n    ${hint}`;
    })
    .join('\n');
}

/** The most similar of some names, if any is similar enough. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const one of names) {
    const distance = editDistance(name, one, least);
    if (distance < least) [best, least] = [one, distance];
  }
  return best;
}

/** Levenshtein's distance, not computed beyond `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
