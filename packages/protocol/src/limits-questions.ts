/** Limits of questions to people. They are in a file of their own because limits.ts is as long as a file may be. */
import type { Limit } from './limits.ts';

export const QUESTIONS = {
  question_chars: { about: 'text of one question to the owner of an agent', default: 4_000, min: 1, max: 16_000 },
  schema_bytes: { about: 'JSON Schema of the answer to one question', default: 16 * 1024, min: 1, max: 64 * 1024 },
  schema_depth: { about: 'nesting of that schema', default: 16, min: 1, max: 32 },
  schema_parts: { about: 'schemas within that schema, and words in its lists', default: 256, min: 1, max: 1_024 },
  open_per_run: { about: 'questions of one run that wait for an answer; one more is refused', default: 8, min: 1, max: 100 },
  rounds_per_call: {
    about: 'times that a tool may ask people for input within one call; the next one fails the call',
    default: 10,
    min: 1,
    max: 100,
  },
  state_bytes: {
    about: 'what a tool has kept of a call with the host while people are asked for input',
    default: 64 * 1024,
    min: 1,
    max: 1024 * 1024,
  },
  answer_bytes: { about: 'one answer as JSON', default: 64 * 1024, min: 1, max: 256 * 1024 },
} as const satisfies Record<string, Limit>;
