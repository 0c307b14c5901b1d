/**
 * Texts of calls as attributes of their spans, in the form of the GenAI conventions, and cut to a bound. A text that is private to somebody is replaced
 * by a note. Nothing here is made for a tenant whose content nobody asked for.
 *
 * Source: github.com/open-telemetry/semantic-conventions-genai v0.1.0, schemas of gen_ai.input.messages and gen_ai.output.messages
 */
import { modelIn } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Result } from '@corral/protocol/wire/delivery';
import type { CallContent } from '@corral/supervisor';
import { CONTENT } from '@corral/telemetry/names';

export type Attribute = readonly [name: string, text: string];

/** In the place of a text that is private to somebody. */
export const PRIVATE = '(private to somebody, and not sent)';
const MORE = '…';
const MOST = TELEMETRY.content_bytes.default;
/** Bytes of what is around messages. */
const AROUND = 256;
/** Characters of one text within messages: each may be six bytes of JSON. */
const PART_CHARS = MOST / 8;
/** Marks in messages how many of them, or of their parts, have no room. */
const LEFT_OUT = 'corral.left_out';

/** @param streamed the text of the answer that came in parts */
export function contentOf(tool: string, content: CallContent, result: Result, streamed: string | undefined): Attribute[] {
  const { input, input_private_to, result_private_to } = content;
  const isModel = modelIn(tool) !== undefined;
  const [asked, said] = isModel ? [CONTENT.input, CONTENT.output] : [CONTENT.arguments, CONTENT.result];
  const answer = 'value' in result ? result.value : undefined;
  return [
    [asked, input_private_to.length > 0 ? PRIVATE : isModel ? promptText(input) : plainText(input)],
    ...(answer === undefined
      ? []
      : [[said, result_private_to.length > 0 ? PRIVATE : isModel ? answerText(answer, streamed) : plainText(answer)] as const]),
  ];
}

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most)}${MORE}` : text);
const plainText = (value: unknown): string => cut(JSON.stringify(value) ?? 'null', MOST - Buffer.byteLength(MORE));

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {});
const short = (value: unknown): string => cut(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''), PART_CHARS);

/** The last messages of a request that have room. */
function promptText(input: unknown): string {
  const { prompt } = fieldsOf(input);
  const all: readonly unknown[] = Array.isArray(prompt) ? prompt : [{ role: 'user', content: prompt }];
  const kept: string[] = [];
  let bytes = AROUND;
  for (const message of all.toReversed()) {
    const { role, content } = fieldsOf(message);
    const text = JSON.stringify({ role, parts: partsOf(content) });
    bytes += Buffer.byteLength(text) + 1;
    if (kept.length > 0 && bytes > MOST) break;
    kept.unshift(text);
  }
  const left = all.length - kept.length;
  if (left > 0) kept.unshift(JSON.stringify({ role: 'system', parts: [{ type: LEFT_OUT, count: left }] }));
  return `[${kept.join(',')}]`;
}

function answerText(answer: unknown, streamed: string | undefined): string {
  const { content, finishReason } = fieldsOf(answer);
  const said = Array.isArray(content) ? (content as readonly unknown[]) : [];
  const parts = partsOf(streamed === undefined ? said : [{ type: 'text', text: streamed }, ...said]);
  return JSON.stringify([{ role: 'assistant', parts, finish_reason: fieldsOf(finishReason)['unified'] ?? 'other' }]);
}

function partsOf(content: unknown): Fields[] {
  const all: readonly unknown[] = Array.isArray(content) ? content : content === undefined ? [] : [{ type: 'text', text: content }];
  const parts: Fields[] = [];
  let bytes = 2 * AROUND;
  for (const one of all) {
    const part = partOf(fieldsOf(one));
    bytes += Buffer.byteLength(JSON.stringify(part)) + 1;
    if (parts.length > 0 && bytes > MOST) return [...parts, { type: LEFT_OUT, count: all.length - parts.length }];
    parts.push(part);
  }
  return parts;
}

function partOf({ type, text, toolCallId: id, toolName: name, input, output, mediaType }: Fields): Fields {
  switch (type) {
    case 'text':
    case 'reasoning':
      return { type, content: short(text) };
    case 'tool-call':
      return { type: 'tool_call', id, name, arguments: short(input) };
    case 'tool-result':
      return { type: 'tool_call_response', id, response: short(fieldsOf(output)['value']) };
    default:
      // Bytes of files are of no use there.
      return { type: short(type), ...(mediaType === undefined ? {} : { mime_type: short(mediaType) }) };
  }
}

/** The text in some parts of a streamed answer. */
export const textOfParts = (parts: readonly unknown[]): string =>
  parts
    .map((part) => {
      const { type, delta } = fieldsOf(part);
      return type === 'text-delta' && typeof delta === 'string' ? delta : '';
    })
    .join('');
export const STREAMED_CHARS = PART_CHARS;
