/** An answer as the parts of a stream, and the content of an answer out of such parts. */
import { textIn, type AnswerPart, type ModelAnswer } from './request.ts';

/** A text in the pieces that a stream hands over. */
export type Pieces = (text: string) => readonly string[];

const whole: Pieces = (text) => [text];

/** Words, each with the spaces before it, and the last one with those after it. Takes time linear in the text, which strangers may have written. */
export const words: Pieces = (text) => text.split(/(?<=\S)(?=\s+\S)/);

const isText = (part: AnswerPart): part is AnswerPart & { readonly text: string } =>
  (part.type === 'text' || part.type === 'reasoning') && typeof part['text'] === 'string';

interface Call extends AnswerPart {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: string;
}
const isCall = (part: AnswerPart): part is Call =>
  part.type === 'tool-call' && [part['toolCallId'], part['toolName'], part['input']].every((one) => typeof one === 'string');

/** @param pieces of its texts; left out: a text is one piece */
export function* partsOf({ content, warnings, response }: ModelAnswer, pieces: Pieces = whole): Generator<AnswerPart> {
  yield { type: 'stream-start', warnings };
  yield { type: 'response-metadata', ...response };
  for (const [i, part] of content.entries()) {
    if (isText(part)) {
      const { type, text, ...more } = part;
      const id = String(i);
      yield { ...more, type: `${type}-start`, id };
      for (const delta of pieces(text)) yield { type: `${type}-delta`, id, delta };
      yield { ...more, type: `${type}-end`, id };
      continue;
    }
    if (isCall(part)) {
      const { toolCallId: id, toolName, input } = part;
      yield { type: 'tool-input-start', id, toolName };
      yield { type: 'tool-input-delta', id, delta: input };
      yield { type: 'tool-input-end', id };
    }
    yield part;
  }
}

/** Parts of a stream of which nothing is left in the content of an answer: the input of a call is in the call as well. */
const PASSING: ReadonlySet<string> = new Set([
  'stream-start',
  'response-metadata',
  'tool-input-start',
  'tool-input-delta',
  'tool-input-end',
]);

/** The content that the parts of a stream add up to, in the order in which its pieces began. */
export function contentOf(parts: Iterable<AnswerPart>): ModelAnswer['content'] {
  const content: AnswerPart[] = [];
  const open = new Map<unknown, Record<string, unknown> & { text: string }>();
  for (const part of parts) {
    if (PASSING.has(part.type)) continue;
    const [, kind, stage] = /^(text|reasoning)-(start|delta|end)$/.exec(part.type) ?? [];
    if (kind === undefined) {
      content.push(part);
      continue;
    }
    const { type: _type, id, delta, ...more } = part;
    const key = `${kind} ${String(id)}`;
    let text = open.get(key);
    if (text === undefined || stage === 'start') {
      text = { type: kind, text: '' };
      open.set(key, text);
      content.push(text as unknown as AnswerPart);
    }
    // Settings at the end of a text, such as a signature, replace those at its start.
    Object.assign(text, more);
    if (typeof delta === 'string') text.text += delta;
  }
  return content;
}

/** Hands over the parts of an answer. @returns what ends its stream */
export async function handedOver(answer: ModelAnswer, part: (one: never) => Promise<void>, pieces?: Pieces): Promise<ModelAnswer> {
  for (const one of partsOf(answer, pieces)) await part(one as never);
  return withoutContent(answer);
}

/** The answer that was handed over in these parts. @param end what ended its stream */
export function withContent(end: ModelAnswer, parts: Iterable<AnswerPart>): ModelAnswer {
  const content = contentOf(parts);
  return { ...end, content, text: textIn(content as never) };
}

export const withoutContent = (answer: ModelAnswer): ModelAnswer => ({ ...answer, content: [], text: '' });
