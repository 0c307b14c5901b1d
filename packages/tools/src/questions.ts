/**
 * The tool by which an agent asks the owner of it a question (`ask` of the SDK). A person answers, so it has no code: the host checks the
 * answer against the JSON Schema in the question, in a bounded number of steps. A pattern of the agent's is shown and never run here; the
 * agent's own code checks the answer once more in its isolate.
 */
import * as z from 'zod';
import type { Json } from '@corral/protocol/json';
import { QUESTIONS } from '@corral/protocol/limits-questions';
import { ANY_TEXT, ASK_OWNER, type Question } from '@corral/protocol/model/question';
import type { Tool } from '@corral/protocol/ports/tool';
import { describe } from './define.ts';
import { evaluator } from './host/evaluate.ts';
import { faultOf } from './question-schema.ts';

const MISFIT_CHARS = 1_000;
const Asked = z.strictObject({
  question: z.string().min(1).max(QUESTIONS.question_chars.default).describe('for the owner of the agent'),
  schema: z
    .record(z.string(), z.unknown())
    .superRefine((schema, context) => {
      const fault = faultOf(schema as Readonly<Record<string, Json>>);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    })
    .exactOptional()
    .describe('JSON Schema of the answer; left out: a text'),
  misfit: z.string().max(MISFIT_CHARS).exactOptional().describe('why the last answer was not taken'),
});

/** The tool that every configured host offers. */
export function questionTools(): Tool[] {
  return [
    {
      ...describe({
        name: ASK_OWNER,
        description: 'Asks the owner of the agent a question, and waits for the answer of a person.',
        input: Asked,
        output: z.unknown(),
        // It changes nothing, and the answer is the word of a person who may decide for the agent.
        annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' },
      }),
      // Compiled for each answer, of which there are few, and not for each question, of which an agent may put many.
      asks: (input, answer) => evaluator((input as unknown as Question).schema ?? ANY_TEXT)(answer),
      // Never called: the broker asks a person instead.
      invoke: () => Promise.resolve({ kind: 'failed', message: 'Only a person answers this.' }),
    },
  ];
}
