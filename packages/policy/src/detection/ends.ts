/**
 * Finds what a refused effect was after, so that another way to the same end is recognised. An end is a value among the arguments that names
 * something (a path, an address, a recipient, an account) or is a longer text, compared after its spelling is made plain: percent
 * encoding, letter case, Unicode forms, `.` and `..`, separators, schemes and default ports do not tell two ends apart (RFC 3986, section
 * 6.2; CWE-41, path equivalence; CWE-22). Kept are hashes alone.
 */
import type { Json } from '@corral/protocol/json';
import { leavesOf, type Leaf } from '../flow/leaves.ts';
import { hashText, mix } from './reading.ts';

/** An attempt at one end. `end`: hash of what it is after; `spelt`: hash of how that was written. */
export type Attempt = { readonly end: number; readonly spelt: number };

/** An effect that a grant, a policy or a person refused. */
export interface RefusedWay {
  /** The tool; for a message or a child: `send:` or `spawn:` and the agent. */
  readonly what: string;
  /** A child of the run tried it, or a child of that. */
  readonly child: boolean;
  readonly attempts: readonly Attempt[];
}

/** Leaves of the arguments that are looked at, and ends that one effect can have. */
const LEAVES = 64;
export const ATTEMPTS_MAX = 8;
/** Characters of a value that are looked at: names, and texts. */
const NAME_CHARS = 512;
const TEXT_CHARS = 2048;
/** A text of at least this length says something; a shorter one may stand in unrelated calls. */
const TEXT_LEAST = 64;
const DECODED_TIMES = 3;

/** Words in the name of an argument that say that its value names something. */
const NAMING = new Set(
  'path file filename folder dir directory url uri href link host hostname domain address to cc bcc recipient recipients email mailbox user username account iban resource bucket table database channel repo repository destination target key secret'.split(
    ' ',
  ),
);
/** Values that name something by their shape: with a separator, with dots between words, or a longer number of an account or a thing. */
const NAMES_BY_SHAPE = /[/\\@]|^[\w-]+(?:\.[\w-]+)+$|^(?=[^\d]*\d)[A-Za-z0-9-]{8,}$/u;
/** Types of content, dates and plain numbers have such a shape too, and stand in calls that have nothing else in common. */
const NO_NAME =
  /^(?:application|audio|font|image|model|multipart|text|video)\/[\w.+-]+$|^\d{4}[-/]\d\d(?:[-/]\d\d)?(?:[T ].*)?$|^[\d.,:%+-]{0,7}$/iu;

/** @param input arguments of a call, body of a message, or input of a child */
export function attemptsAt(input: unknown): Attempt[] {
  const found = new Map<number, Attempt>();
  for (const leaf of leavesOf((input ?? null) as Json, LEAVES).leaves) {
    const attempt = attemptOf(leaf);
    if (attempt !== undefined && !found.has(attempt.end)) found.set(attempt.end, attempt);
    if (found.size === ATTEMPTS_MAX) break;
  }
  return [...found.values()];
}

function attemptOf({ name, value }: Leaf): Attempt | undefined {
  const text = String(value);
  if (isName(name, text)) {
    const end = plainName(text);
    return end === '' ? undefined : { end: mix(hashText(end), 3), spelt: hashText(text) };
  }
  if (typeof value === 'number' || text.length < TEXT_LEAST) return undefined;
  return { end: mix(hashText(plainText(text)), 5), spelt: hashText(text) };
}

function isName(argument: string, text: string): boolean {
  if (text.trim() === '' || text.length > NAME_CHARS) return false;
  const words = argument
    .replace(/([a-z])([A-Z])/gu, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/u);
  if (words.some((word) => NAMING.has(word))) return true;
  return !/\s/u.test(text.trim()) && NAMES_BY_SHAPE.test(text) && !NO_NAME.test(text);
}

function plainName(text: string): string {
  let name = text;
  for (let i = 0; i < DECODED_TIMES && name.includes('%'); i++) name = decoded(name);
  name = folded(name).trim().replaceAll('\\', '/');
  name = name
    .replace(/^[a-z][a-z0-9+.-]{1,15}:\/{0,3}/u, '')
    .replace(/(?<=.)#.*$/u, '')
    .replace(/^([^/]+):(?:80|443)(?=\/|$)/u, '$1');
  const segments: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') segments.pop();
    else if (!/^[. ]*$/u.test(part)) segments.push(part.replace(/[. ]+$/u, ''));
  }
  return segments.length > 0 ? segments.join('/') : name === '' ? '' : '/';
}

const plainText = (text: string): string => folded(text.slice(0, TEXT_CHARS)).replace(/\s+/gu, ' ').trim();
const folded = (text: string): string =>
  text
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Cc}]/gu, (sign) => (/\s/u.test(sign) ? ' ' : ''))
    .toLowerCase();

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-7][0-9a-f])/giu, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}
