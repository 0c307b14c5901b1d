/** The body of an answer as JSON: as text where its bytes are UTF-8, so that they come out of it as they went in, and else in base64. */
import { isUtf8 } from 'node:buffer';
import { answerRefused, type Answer, type Bytes, type HttpFailure } from './exchange.ts';

/** @throws HttpFailure for a longer one */
export async function bytesOf({ body, length, whole }: Answer, most: number, origin: string): Promise<Bytes> {
  // A stream takes several times as long as a body that is read at once.
  if (length !== undefined && length <= most) return whole();
  const all: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > most) throw tooLarge(origin, most);
    all.push(chunk);
  }
  return Buffer.concat(all);
}

const tooLarge = (origin: string, most: number): HttpFailure =>
  answerRefused(
    `The answer of ${origin} is larger than ${most} bytes, which is more than this capability reads.`,
    'CORRAL_RESULT_TOO_LARGE',
  );

/** @param redact takes secrets out of a text */
export function contentOf(bytes: Bytes, redact: (text: string) => string): { readonly body?: string; readonly body_base64?: string } {
  if (bytes.length === 0) return {};
  if (typeof bytes === 'string') return { body: bytes };
  if (isUtf8(bytes)) return { body: bytes.toString('utf8') };
  // In bytes, the rest around a secret stays readable; in base64 it would not.
  const text = bytes.toString('latin1');
  const clean = redact(text);
  return { body_base64: (clean === text ? bytes : Buffer.from(clean, 'latin1')).toString('base64') };
}

/**
 * The text of a body, chunk by chunk.
 * @throws HttpFailure for bytes that are not UTF-8, and for more than `most`
 */
export async function* textsOf({ body }: Answer, most: number, origin: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > most) throw tooLarge(origin, most);
      const text = decoder.decode(chunk, { stream: true });
      if (text !== '') yield text;
    }
    const rest = decoder.decode();
    if (rest !== '') yield rest;
  } catch (error) {
    if (error instanceof TypeError)
      throw answerRefused(`The answer of ${origin} is not text, and only text is read part by part.`, 'CORRAL_RESULT_INVALID', {
        cause: error,
      });
    throw error;
  }
}
