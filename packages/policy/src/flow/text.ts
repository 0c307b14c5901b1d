/**
 * How provenance reads text: normal forms of a value's spellings, identifiers in prose, and plain encodings that are decoded.
 * Everything is linear in the text, whose length the caller limits.
 */

/** Identifier-like values with fewer letters and digits are too common to be traced: `7`, `no`, `de`. */
export const SHORTEST_TRACE_CHARS = 4;

// oxlint-disable-next-line no-misleading-character-class
const INVISIBLE = /[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2064\uFE00-\uFE0F\uFEFF]/g;
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;
const BETWEEN = /[\s"'`´‘’“”„«»<>()[\]{}|,;*\\]+/;
const EDGES = /^[.:!?&=#~^-]+|[.:!?&=~^-]+$/g;

/** Nothing of it is stripped: no scheme, no edges, and not a number. */
const PLAIN = /^[a-z_][a-z0-9_@.-]*[a-z0-9_]$/;

/** One spelling for all: compatibility forms folded, invisible characters dropped, lower case. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text.normalize('NFKC').replace(INVISIBLE, '').toLowerCase();
}

/** Letters and digits alone, so that spacing, quoting, punctuation and escaping make no difference. Expects folded text. */
export function squeeze(folded: string): string {
  if (ASCII.test(folded)) return folded.replace(/[^a-z0-9]+/g, '');
  return folded.replace(/[^\p{L}\p{N}]+/gu, '');
}

/** A token as it is compared: a URL without scheme, `www.` and closing slash, a number without trailing zeros. */
export function token(folded: string): string {
  if (PLAIN.test(folded) && !folded.startsWith('www.')) return folded;
  const bare = folded.replace(EDGES, '');
  if (/^-?\d+\.\d+$/.test(bare)) return String(Number(bare));
  return bare
    .replace(/^(?:https?|ftp|mailto|file):(?:\/\/)?/, '')
    .replace(/^www\./, '')
    .replace(/\/+$/, '');
}

/** The tokens of a text: words, and identifiers in one piece (`a.b@c.de`, `bill-2023.txt`). Expects folded text. */
export function tokens(folded: string, max: number): string[] {
  const found: string[] = [];
  for (const part of folded.split(BETWEEN)) {
    if (found.length >= max) break;
    const one = token(part);
    if (one !== '') found.push(one);
  }
  return found;
}

const WHEN =
  /^(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})?[t ]?(?:\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:z|[+-]\d{2}:?\d{2}|[ap]m)?$/;

/**
 * Whether a value occurs in two texts by chance: a date, a time, a number of few digits. Its occurrence says nothing about its
 * origin, so it is never traced to untrusted text. Expects the tokens of one value joined by a space.
 */
export function isCommonplace(phrase: string): boolean {
  return WHEN.test(phrase) || /^-?\d{1,5}(?:[.,]\d{1,2})?$/.test(phrase);
}

/**
 * Whether a token identifies something by itself: an address, a link, an account, a file, a code. Words and small numbers do not.
 */
export function isIdentifier(one: string): boolean {
  if (one.length < SHORTEST_TRACE_CHARS || /^[a-z]+$/.test(one)) return false;
  if (one.includes('@')) return true;
  if (isCommonplace(one)) return false;
  if (/[@/\\]/.test(one) || /^[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}/.test(one)) return true;
  const digits = one.replace(/\D/g, '').length;
  if (/^[\d.,:+-]+$/.test(one)) return digits >= 6;
  return digits > 0 && !/^\d+[a-z]{1,2}$/.test(one);
}

/** Whether an identifier is a link or an address, which a reader may follow. */
export function isLink(one: string): boolean {
  return (
    isIdentifier(one) &&
    (/@./.test(one) || /^(?:[\w-]+\.)+[a-z]{2,}(?:[/:?#]|$)/.test(one)) &&
    !/\.(?:docx?|xlsx?|pptx?|pdf|txt|md|csv|json|png|jpe?g|zip|py|js|ts)$/.test(one)
  );
}

/**
 * Whether a value is one code and nothing else: a link, an address, an account, a product number. Files, paths, times and amounts
 * are not: people make those up.
 */
export function isCode(phrase: string): boolean {
  if (!isIdentifier(phrase)) return false;
  return isLink(phrase) || /^\d{6,}$/.test(phrase) || (/^[\p{L}#][\p{L}\d_-]*$/u.test(phrase) && /\d/.test(phrase));
}

/** The least length that BASE64 and HEX match. */
const SHORTEST_ENCODED = 8;
const BASE64 = /^(?:[A-Za-z0-9+/_-]{8,}|[A-Za-z0-9+/_-]{6,}={1,2})$/;
const HEX = /^(?:[0-9a-f]{2}){6,}$/i;

function printable(bytes: number[]): string | undefined {
  let text = '';
  for (const byte of bytes) {
    if ((byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) || byte > 126) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function base64(text: string): string | undefined {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const char of text.replace(/=+$/, '').replace(/-/g, '+').replace(/_/g, '/')) {
    bits = ((bits << 6) | alphabet.indexOf(char)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push((bits >> count) & 255);
    }
  }
  return printable(bytes);
}

/**
 * The text behind plain encodings: base64 (both alphabets), hexadecimal, percent, JSON and HTML escapes. One level, and only if
 * the result is printable ASCII or valid UTF-8; usually empty. Expects the original text, not folded.
 */
export function decodings(text: string): readonly string[] {
  if (text.length < SHORTEST_ENCODED && !/[%\\&]/.test(text)) return [];
  const found: string[] = [];
  const add = (decoded: string | undefined) => {
    if (decoded !== undefined && decoded !== text && decoded !== '' && !found.includes(decoded)) found.push(decoded);
  };
  if (text.includes('%')) {
    try {
      add(decodeURIComponent(text.replace(/\+/g, ' ')));
    } catch {
      // Not percent-encoded after all: there is nothing to decode.
    }
  }
  if (text.includes('\\')) {
    add(
      text
        .replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        .replace(/\\[nrt]/g, ' ')
        .replace(/\\(["'\\/])/g, '$1'),
    );
  }
  if (text.includes('&')) {
    add(
      text
        .replace(/&#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}));/g, (whole, hex?: string, decimal?: string) => {
          const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
          return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
        })
        .replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })[name] ?? ''),
    );
  }
  const compact = text.trim();
  if (HEX.test(compact)) add(printable((compact.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))));
  else if (BASE64.test(compact) && compact.length % 4 !== 1) add(base64(compact));
  return found;
}

/** Two independent 32-bit hashes of a text slice (FNV-1a and a multiply-xor walk), mixed; the same text gives the same pair everywhere. */
export function hash2(text: string, from: number, to: number): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 13;
  }
  a ^= a >>> 15;
  a = Math.imul(a, 0x2c1b3c6d);
  a ^= a >>> 12;
  return [a >>> 0, (b ^ (b >>> 16)) >>> 0];
}

/** A text as a number of 53 bits: the key under which a set remembers a value without keeping it. */
export function key(text: string): number {
  const [a, b] = hash2(text, 0, text.length);
  return a * 0x200000 + (b >>> 11);
}
