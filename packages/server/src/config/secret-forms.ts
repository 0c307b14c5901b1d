/**
 * The forms in which a value stands in a text that was made of it: as it is, and in the encodings that servers and tools use without a
 * thought. They are searched for literally, so that a text is read once for each and nothing in it can make that slow. A value that somebody
 * wants to pass on finds other forms; this is against carelessness, and the network of a tool is bounded elsewhere.
 */

/** Shorter parts of an encoding occur by chance. */
const SHORTEST_PART = 8;

/** @returns each form once, longer ones first, so that none is left over where a shorter one was replaced */
export function formsOf(value: string): string[] {
  const utf8 = Buffer.from(value, 'utf8');
  // Headers are sent so.
  const latin1 = Buffer.from(value, 'latin1');
  const bytes = utf8.equals(latin1) ? [utf8] : [utf8, latin1];
  const plain = [value, inJson(value), asciiJson(value), ...(utf8.equals(latin1) ? [] : [utf8.toString('latin1')])];
  const all = [
    ...plain,
    ...plain.map((text) => text.replaceAll('/', '\\/')),
    ...inMarkup(value),
    ...inAddress(value),
    escaped(value, 'u'),
    escaped(value, 'U'),
  ];
  for (const one of bytes) all.push(...inHex(one), ...inBase64(one));
  // Results of tools are searched as JSON, in which these are escaped once more.
  const twice = all.flatMap((text) => [text, inJson(text)]);
  return [...new Set(twice)].sort((a, b) => b.length - a.length);
}

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
const code = (unit: number): string => unit.toString(16).padStart(4, '0');
/** As serialisers write it that give ASCII alone. */
const asciiJson = (text: string): string => inJson(text).replaceAll(/[^\0-\x7f]/g, (one) => escaped(one, 'u'));
/** Each character by its number. @param letters case of the digits */
const escaped = (text: string, letters: 'u' | 'U'): string =>
  text
    .split('')
    .map((unit) => `\\u${letters === 'u' ? code(unit.charCodeAt(0)) : code(unit.charCodeAt(0)).toUpperCase()}`)
    .join('');

function inMarkup(text: string): string[] {
  const common = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return [
    common,
    common.replaceAll('"', '&quot;').replaceAll("'", '&#39;'),
    common.replaceAll('"', '&#34;').replaceAll("'", '&#x27;'),
    common.replaceAll('"', '&quot;').replaceAll("'", '&apos;'),
  ];
}

function inAddress(text: string): string[] {
  // A text with half of a pair of surrogates cannot be encoded.
  if (!text.isWellFormed()) return [];
  const all = [...Buffer.from(text, 'utf8')].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const parts = [encodeURIComponent(text), encodeURI(text), all.toUpperCase(), all];
  const spaced = parts.map((part) => part.replaceAll('%20', '+'));
  const lower = parts.map((part) => part.replaceAll(/%[0-9A-F]{2}/g, (one) => one.toLowerCase()));
  return [...parts, ...spaced, ...lower];
}

function inHex(bytes: Buffer): string[] {
  const digits = bytes.toString('hex');
  return [digits, digits.toUpperCase()];
}

/** The characters that say nothing but these bytes, wherever in a longer text the bytes begin (RFC 4648, 4 and 5). */
function inBase64(bytes: Buffer): string[] {
  const parts = [0, 1, 2].map((skip) => {
    const text = Buffer.concat([Buffer.alloc(skip), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return text.slice(Math.ceil((skip * 4) / 3), Math.floor(((skip + bytes.length) * 4) / 3));
  });
  return parts.flatMap((part) => (part.length < SHORTEST_PART ? [] : [part, part.replaceAll('+', '-').replaceAll('/', '_')]));
}
