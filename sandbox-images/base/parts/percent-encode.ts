/**
 * Stands in for `@exodus/bytes/whatwg.js` in the part `url`. A URL of an isolate is always in UTF-8, and the tables of other encodings are
 * large.
 */
import { utf8fromStringLoose } from '@exodus/bytes/utf8.js';

/** https://url.spec.whatwg.org/#string-percent-encode-after-encoding @param set ASCII characters that are encoded too */
export function percentEncodeAfterEncoding(_encoding: 'utf-8', input: string, set: string): string {
  let text = '';
  for (const byte of utf8fromStringLoose(input)) {
    const character = String.fromCharCode(byte);
    text += byte < 0x20 || byte > 0x7e || set.includes(character) ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : character;
  }
  return text;
}
