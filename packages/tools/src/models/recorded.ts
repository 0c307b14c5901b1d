/**
 * A model whose answers were written down: a request that was recorded gets the recorded answer. With another model behind it, a new
 * request is asked there once and written down, so that the second run of a test costs nothing and needs no network.
 */
import { hash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { canonical } from '@corral/protocol/json';
import { ModelFailure, type Model } from './model.ts';
import { ModelAnswer, type ModelRequest } from './request.ts';

const keyOf = (request: ModelRequest): string => hash('sha256', canonical(request));

/** @param file JSON Lines, one `{ "request": digest, "answer": … }` a line; it need not be there */
export function recordedModel(file: string, of: Model | undefined): Model {
  const maker = { provider: 'recorded', model: of?.maker.model ?? 'recording' };
  let known: Promise<Map<string, ModelAnswer>> | undefined;
  const under = new Map<string, Promise<ModelAnswer>>();
  const marked = (answer: ModelAnswer): ModelAnswer => ({
    ...answer,
    maker: { ...maker, of: `${answer.maker.provider}/${answer.maker.model}` },
  });
  return {
    maker,
    async ask(request, call) {
      const answers = await (known ??= readRecording(file));
      const key = keyOf(request);
      const found = answers.get(key);
      if (found !== undefined) return marked(found);
      if (of === undefined)
        throw new ModelFailure('refused', `${file} has no answer to this request; \`of\` names a model that is asked and written down.`);
      const asked =
        under.get(key) ??
        of.ask(request, call).then(async (answer) => {
          await appendFile(file, `${JSON.stringify({ request: key, answer })}\n`);
          answers.set(key, answer);
          return answer;
        });
      under.set(key, asked);
      try {
        return marked(await asked);
      } finally {
        under.delete(key);
      }
    },
  };
}

/** @throws Error that names the line which cannot be read */
async function readRecording(file: string): Promise<Map<string, ModelAnswer>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const answers = new Map<string, ModelAnswer>();
  // A line without its end was cut off while it was written.
  for (const [i, line] of text.split('\n').slice(0, -1).entries()) {
    try {
      const { request, answer } = JSON.parse(line) as { readonly request: string; readonly answer: unknown };
      answers.set(request, ModelAnswer.parse(answer));
    } catch (error) {
      throw new Error(`Line ${i + 1} of ${file} cannot be read as a recorded answer.`, { cause: error });
    }
  }
  return answers;
}
