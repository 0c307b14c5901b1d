/**
 * Questions to the owner of an agent. A run puts one by a call of a tool that no code answers, and a person's answer is its result. A tool may put
 * one in the middle of a call, and goes on with the answer. This file is imported by guests, so it imports no libraries.
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

/**
 * A tool needs input of people to go on with a call (MCP: `input_required`, and elicitation before 2026-07-28). The maker of the tool has
 * written it, so it is shown as a stranger's text.
 */
export interface InputRequest {
  readonly question: string;
  /** JSON Schema of the answer. */
  readonly schema: Schema;
  /** Given back to the tool with the answer; it means nothing to the host. */
  readonly state: Json;
  /** The tool waits for the answer in the memory of this host, so the call cannot go on at another one, or after a restart. */
  readonly live?: true;
}

/** The answer to such a request. `decline`: a person gives no answer. `cancel`: nobody has answered in time. */
export interface GivenInput {
  readonly state: Json;
  readonly action: 'accept' | 'decline' | 'cancel';
  /** Set with `accept`. */
  readonly value?: Json;
}

/** Requests for input within one call. */
export interface CallInput {
  /** How many there have been. */
  readonly rounds: number;
  /** People are asked. */
  readonly request?: InputRequest;
  /** The answer to the last one. */
  readonly given?: GivenInput;
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
