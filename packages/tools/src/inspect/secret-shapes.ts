/**
 * Keys that can be told by their shape: a prefix that its maker gave them, a length, and a checksum or enough entropy, so that examples and
 * placeholders are left alone. The text is read once; what stands after a prefix is measured by runs of characters that are remembered,
 * so the time is linear in the text whatever is in it.
 */
import { crc32 } from 'node:zlib';

/** Characters that a key consists of after its prefix. */
type Alphabet = 'alnum' | 'word' | 'hex' | 'upper';
const ALPHABETS: Readonly<Record<Alphabet, Uint8Array>> = {
  alnum: table('0-9A-Za-z'),
  word: table('0-9A-Za-z_-'),
  hex: table('0-9a-fA-F'),
  upper: table('0-9A-Z'),
};
const ALNUM = ALPHABETS.alnum;

function table(ranges: string): Uint8Array {
  const one = new RegExp(`[${ranges}]`);
  return Uint8Array.from({ length: 128 }, (_, code) => (one.test(String.fromCharCode(code)) ? 1 : 0));
}

interface Shape {
  readonly kind: string;
  readonly prefix: string;
  readonly of: Alphabet;
  /** Length after the prefix: exactly, or at least. */
  readonly exactly?: number;
  readonly least?: number;
  readonly check: (body: string) => boolean;
}

/**
 * Characters of a key within which its shape is told, in any encoding that is searched for. Only the header of a JSON web token, or the
 * password in an address, can be longer.
 */
export const SHAPE_CHARS = 512;

/** Characters after a prefix that are looked at. */
const BODY = 64;
/** Bits a character. Random base62 of 20 characters has about 4, hexadecimal about 3.2; words and placeholders have less. */
const ENTROPY = 3;

/** Shannon's entropy of the characters of a text, in bits a character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Letters alone are words joined by hyphens more often than keys. */
const isRandom = (body: string): boolean => /\d/.test(body) && !/example/i.test(body) && entropyOf(body) >= ENTROPY;

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** The last six characters are a CRC-32 in base 62. Source: https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/ */
function hasChecksum(body: string): boolean {
  if (body.length !== 36) return isRandom(body);
  let text = '';
  for (let left = crc32(body.slice(0, -6)); left > 0; left = Math.floor(left / 62)) text = BASE62[left % 62] + text;
  return body.endsWith(text.padStart(6, '0'));
}

const github = (prefix: string): Shape => ({ kind: 'github_token', prefix, of: 'alnum', least: 36, check: hasChecksum });
const least = (kind: string, prefix: string, of: Alphabet, count: number): Shape => ({ kind, prefix, of, least: count, check: isRandom });
const exactly = (kind: string, prefix: string, of: Alphabet, count: number): Shape => ({
  kind,
  prefix,
  of,
  exactly: count,
  check: isRandom,
});

const SHAPES: readonly Shape[] = [
  ...['AKIA', 'ASIA'].map((prefix) => exactly('aws_access_key', prefix, 'upper', 16)),
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map(github),
  least('github_token', 'github_pat_', 'word', 60),
  { kind: 'npm_token', prefix: 'npm_', of: 'alnum', exactly: 36, check: hasChecksum },
  least('gitlab_token', 'glpat-', 'word', 20),
  ...['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xapp-'].map((prefix) => least('slack_token', prefix, 'word', 20)),
  ...['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'].map((prefix) => least('stripe_key', prefix, 'alnum', 20)),
  least('webhook_secret', 'whsec_', 'alnum', 24),
  least('anthropic_key', 'sk-ant-', 'word', 32),
  least('openai_key', 'sk-', 'word', 40),
  least('google_api_key', 'AIza', 'word', 35),
  least('google_client_secret', 'GOCSPX-', 'word', 24),
  least('google_token', 'ya29.', 'word', 40),
  least('hugging_face_token', 'hf_', 'alnum', 30),
  least('digitalocean_token', 'dop_v1_', 'hex', 60),
  least('shopify_token', 'shpat_', 'hex', 32),
  least('databricks_token', 'dapi', 'hex', 32),
  least('pypi_token', 'pypi-', 'word', 60),
  least('vault_token', 'hvs.', 'word', 24),
  least('linear_key', 'lin_api_', 'alnum', 32),
  least('sendgrid_key', 'SG.', 'word', 20),
  least('age_key', 'AGE-SECRET-KEY-1', 'upper', 50),
  // A header that says what it is, in base64; its parts are separated by dots.
  { kind: 'jwt', prefix: 'eyJ', of: 'word', least: 10, check: () => false },
];

/** By the code of the first character. */
const BY_FIRST: readonly (readonly Shape[] | undefined)[] = (() => {
  const all: Shape[][] = [];
  for (const shape of SHAPES) (all[shape.prefix.charCodeAt(0)] ??= []).push(shape);
  // A longer prefix names its maker better.
  for (const shapes of all) shapes?.sort((a, b) => b.prefix.length - a.prefix.length);
  return all;
})();

/** Finds keys. @param found called with the kind of each */
export function shapesIn(text: string, found: (kind: string) => void): void {
  const ends: Record<Alphabet, number> = { alnum: 0, word: 0, hex: 0, upper: 0 };
  const end = (of: Alphabet, from: number): number => {
    if (ends[of] >= from && ends[of] > 0 && from > 0) return ends[of];
    const letters = ALPHABETS[of];
    let at = from;
    while (at < text.length && letters[text.charCodeAt(at)] === 1) at += 1;
    ends[of] = at;
    return at;
  };
  let past = 0;
  let inWord = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const isWord = ALNUM[code] === 1;
    const shapes = isWord && !inWord && at >= past ? BY_FIRST[code] : undefined;
    inWord = isWord;
    if (shapes === undefined) continue;
    for (const shape of shapes) {
      if (!text.startsWith(shape.prefix, at)) continue;
      const from = at + shape.prefix.length;
      const stop = end(shape.of, from);
      if (shape.kind === 'jwt' ? !isToken(text, at, stop) : !fits(shape, text, from, stop)) continue;
      found(shape.kind);
      past = stop;
      break;
    }
  }
  blocksIn(text, found);
  addressesIn(text, found);
}

function fits({ exactly: count, least: fewest = 0, check }: Shape, text: string, from: number, stop: number): boolean {
  const length = stop - from;
  if (count === undefined ? length < fewest : length !== count) return false;
  return check(text.slice(from, Math.min(stop, from + BODY)));
}

/** A JSON web token: two more parts, and a header with an algorithm. */
function isToken(text: string, at: number, stop: number): boolean {
  if (text[stop] !== '.' || stop - at > 1_000) return false;
  if (!text.startsWith('eyJ', stop + 1)) return false;
  return Buffer.from(text.slice(at, stop), 'base64url').toString('latin1').includes('"alg"');
}

const BLOCK = '-----BEGIN ';
const BLOCK_TITLE = 40;

/** Private keys as PEM blocks. */
function blocksIn(text: string, found: (kind: string) => void): void {
  for (let at = text.indexOf(BLOCK); at >= 0; at = text.indexOf(BLOCK, at + BLOCK.length)) {
    const title = text.slice(at + BLOCK.length, at + BLOCK.length + BLOCK_TITLE);
    if (title.includes('PRIVATE KEY-----')) found('private_key');
  }
}

const USERINFO = 256;

/** Addresses with a password: `postgres://user:password@host`. */
function addressesIn(text: string, found: (kind: string) => void): void {
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', at + 3)) {
    const part = text.slice(at + 3, at + 3 + USERINFO);
    const stop = part.search(/[@/\s"'<>]/);
    if (part[stop] !== '@') continue;
    const colon = part.indexOf(':');
    const password = colon < 0 || colon > stop ? '' : part.slice(colon + 1, stop);
    if (password.length >= 8 && isRandom(password)) found('password_in_address');
  }
}
