/** Finds the text of a rule in the policies that were in force. */

/** The statement with an id, with its annotations; undefined if there is none. */
export function statementOf(rule: string, policies: string): string | undefined {
  const at = policies.indexOf(`@id("${rule}")`);
  if (at < 0) return undefined;
  const end = endOf(policies, at);
  // Annotations before the id belong to it.
  const before = /(?:@\w+(?:\("(?:[^"\\]|\\.)*"\))?\s*)*$/.exec(policies.slice(0, at))?.[0].length ?? 0;
  return policies.slice(at - before, end).trim();
}

/** The position after the `;` that ends the statement: one that is in no text and in no comment. */
function endOf(text: string, from: number): number {
  const parts = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|;/g;
  parts.lastIndex = from;
  for (let found = parts.exec(text); found !== null; found = parts.exec(text)) if (found[0] === ';') return parts.lastIndex;
  return text.length;
}

/** Whether a rule is one of those by which a call was refused, or a person was asked: others that apply as well did not decide. */
export function isDeciding(statement: string, verdict: string): boolean {
  const isForbid = /(?:^|\s|\))forbid\s*\(/.test(statement);
  const consequence = /@consequence\("([^"]*)"\)/.exec(statement)?.[1];
  if (verdict === 'deny') return isForbid && consequence !== 'approval';
  return verdict === 'ask' && isForbid && consequence === 'approval';
}
