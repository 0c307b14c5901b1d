/**
 * A question of a run to the owner of its agent: a call of one tool that no code answers. A person's answer is its result. This file is
 * imported by guests, so it imports no libraries.
 */
import type { Json } from '../json.ts';

/** The tool whose calls are questions. */
export const ASK_OWNER = 'owner.ask';

type Schema = Readonly<Record<string, Json>>;

/** The arguments of such a call. The agent has written all of them, so they are shown as a stranger's text. */
export interface Question {
  readonly question: string;
  /** JSON Schema of the answer; left out: a text. */
  readonly schema?: Schema;
  /** Why the agent's own code did not take the answer to the same question before. */
  readonly misfit?: string;
}

/** The schema of an answer if the question names none. */
export const ANY_TEXT: Schema = { type: 'string' };

const TYPES: Readonly<Record<string, string>> = {
  boolean: 'true or false',
  number: 'a number',
  integer: 'a whole number',
  string: 'a text',
  null: 'null',
};
/** Characters of a schema that are shown where words do not suffice. */
const SHOWN = 400;

/** Says which answers a schema takes, for the person who answers. */
export function wantedText(schema: Schema): string {
  const { type, enum: words, const: word } = schema;
  if (Array.isArray(words)) return cut(words.map((one: Json) => JSON.stringify(one)).join(', '), 'one of ');
  if (word !== undefined) return cut(JSON.stringify(word));
  const name = typeof type === 'string' ? TYPES[type] : undefined;
  const { $schema: _, ...rest } = schema;
  if (name !== undefined && Object.keys(rest).length === 1) return name;
  return cut(JSON.stringify(rest), `${name ?? 'a value'} that fits `);
}

const cut = (text: string, before = ''): string => `${before}${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}`;
