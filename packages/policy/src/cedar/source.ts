/**
 * Splits policy text into policies. Cedar's own splitter orders policies by id and drops their positions; here the position is
 * kept, so that every problem and every reason can name a file and a line.
 */

export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

/** One policy as written in its file. */
export interface PolicyText {
  readonly file: string;
  readonly text: string;
  /** Line of its first character, from 1. */
  readonly line: number;
  readonly column: number;
}

/**
 * Splits at each `;` outside of strings and comments. The rest after the last one counts as a policy too, unless it is only
 * comments.
 */
export function split({ file, text }: PolicySource): PolicyText[] {
  const policies: PolicyText[] = [];
  let start = -1;
  let i = 0;
  const cut = (end: number) => {
    if (start >= 0) policies.push({ file, text: text.slice(start, end), ...place(text, start) });
    start = -1;
  };
  while (i < text.length) {
    const char = text[i] as string;
    if (char === '/' && text[i + 1] === '/') {
      const end = text.indexOf('\n', i);
      i = end < 0 ? text.length : end;
      continue;
    }
    if (start < 0 && !/\s/.test(char)) start = i;
    if (char === '"') i = endOfString(text, i);
    else if (char === ';') cut(i + 1);
    i += 1;
  }
  cut(text.length);
  return policies;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}

function place(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

/** The place in its file of an offset in a policy's text. */
export function placeIn(policy: PolicyText, offset: number): { line: number; column: number } {
  const { line, column } = place(policy.text, offset);
  return line === 1 ? { line: policy.line, column: policy.column + column - 1 } : { line: policy.line + line - 1, column };
}

/** Cedar counts bytes of UTF-8; this package counts UTF-16 units. */
export function unitsFromBytes(text: string, bytes: number): number {
  let seen = 0;
  let units = 0;
  for (const char of text) {
    if (seen >= bytes) break;
    const code = char.codePointAt(0) as number;
    seen += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    units += char.length;
  }
  return units;
}
