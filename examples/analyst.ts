/**
 * Answers a question about a folder of files by a program that its model writes. With a tool a turn, the model would be asked once for each
 * file and read all of them; here it is asked once, and again where its program fails, with the message and the line.
 */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

const TASK = `Write the body of an async JavaScript function that answers the question, and nothing else.
In its scope: input.question; caps.list({}) gives { entries: [{ name }] }; caps.read({ path: name }) gives { text }.
The result is what it returns, as JSON. There is no import and no network.`;

/** The longest block of code in an answer, or all of it. */
function programIn(answer: string): string {
  const blocks = [...answer.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, code = '']) => code);
  return blocks.reduce((longest, code) => (code.length > longest.length ? code : longest), '') || answer;
}

const TRIES = 3;

export default defineAgent({
  name: 'analyst',
  purpose: 'Answer questions about a folder of files.',
  input: z.object({ question: z.string() }),
  uses: { model: 'model:default', list: 'tool:fs.list', read: 'tool:fs.read' },
  code: true,
  budget: { tokens: 50_000 },
  async run({ input, caps, spawn, emit }) {
    const prompt = [`${TASK}\n\nThe question: ${input.question}`];
    for (let tries = 1; ; tries++) {
      const { text } = await caps.model({ prompt: prompt.join('\n\n'), maxOutputTokens: 2_000 });
      const program = programIn(text);
      const end = await spawn.code(program, {
        // It may list and read; the model is not handed over, and nothing else is within its reach.
        caps: { list: caps.list, read: caps.read.attenuate({ uses: 100 }) },
        budget: { cpu_ms: 1_000, calls: 101, tokens: 0 },
        input: { question: input.question },
      }).ended;
      if (end.kind === 'completed') return { answer: end.output, tries };
      const why = 'message' in end ? `${end.kind}: ${end.message}` : end.kind;
      emit('program-failed', { why });
      if (tries === TRIES) throw new Error(`No program of ${TRIES} answered the question; the last one ${why}`);
      prompt.push(`Your program:\n${program}`, `It did not work: ${why} Write it again.`);
    }
  },
});
