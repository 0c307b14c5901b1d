/** Secrets that the code of a configuration asks for by a literal name: a misspelt one would fail at its first call only. */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { didYouMean } from '@corral/protocol/nearest';
import type { CodeFiles } from '@corral/tools/host/wire';

/** Comments, and `secret('NAME')` outside of them. Strings that hold such a text are rare, and a note refuses nothing. */
const ASKED = /\/\*[^]*?\*\/|(?<!:)\/\/[^\n]*|(?<![\w$.'"`])(?:[\w$]+\.)?secret\(\s*(['"`])([^'"`$\\\n]+)\1\s*\)/gu;

/** @returns a sentence for each name that the configuration does not declare, with its first place */
export function undeclaredSecrets(code: CodeFiles, declared: readonly string[]): string[] {
  const notes = new Map<string, string>();
  for (const [url, { text }] of Object.entries(code))
    for (const { 2: name, index } of text.matchAll(ASKED)) {
      if (name === undefined || declared.includes(name) || notes.has(name)) continue;
      const line = text.slice(0, index).split('\n').length;
      const how = `${didYouMean(name, declared)} Name it in \`secrets\` of the configuration.`;
      notes.set(
        name,
        `${basename(fileURLToPath(url))}:${line} asks for the secret ${name}, which the configuration does not declare.${how}`,
      );
    }
  return [...notes.values()];
}
