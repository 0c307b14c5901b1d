/**
 * Comma-separated values (RFC 4180) that a spreadsheet reads as data. A cell that begins with a sign of a formula would be computed when the file is
 * opened (CWE-1236), and names of agents, people and tools are other people's text. Such a cell begins with an apostrophe instead.
 */

export interface Csv {
  readonly columns: readonly string[];
  /** Numbers are written as they are; null is an empty cell. */
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** Signs of formulas, their full-width forms included, also behind white space, which spreadsheets skip. */
const FORMULA = /^[\s\p{Cf}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20|%]|^[\t\r\n]/u;

/** @param head whether the names of the columns are the first line */
export function csvText({ columns, rows }: Csv, head = true): string {
  return [...(head ? [columns] : []), ...rows].map((row) => `${row.map(cellOf).join(',')}\r\n`).join('');
}

function cellOf(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/u.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
