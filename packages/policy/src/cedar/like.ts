/** Cedar's `like`: a pattern of literals and wildcards, matched without backtracking, so that no pattern can stall the host. */

/** In the form of Cedar's JSON. */
export type PatternPart = 'Wildcard' | { readonly Literal: string };

export function like(pattern: readonly PatternPart[]): (text: string) => boolean {
  const pieces = [''];
  for (const part of pattern) {
    if (part === 'Wildcard') pieces.push('');
    else pieces[pieces.length - 1] += part.Literal;
  }
  const first = pieces[0] as string;
  if (pieces.length === 1) return (text) => text === first;
  const last = pieces.at(-1) as string;
  const between = pieces.slice(1, -1).filter((piece) => piece !== '');
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let from = first.length;
    const end = text.length - last.length;
    for (const piece of between) {
      const at = text.indexOf(piece, from);
      if (at < 0 || at + piece.length > end) return false;
      from = at + piece.length;
    }
    return true;
  };
}
