/**
 * Reads JSON texts of people and programs: in requests, in files, on a command line. `JSON.parse` alone changes some texts
 * silently: of two members with one name it keeps the last, integers above 2^53 change, and bytes that are not UTF-8 are
 * replaced. Each of these is refused here, because a changed amount or account must not be acted on.
 */
import type { Json } from './json.ts';

/** The fault of a text, as the rest of a sentence that begins with its name. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
}

/** An integer of 16 digits may be above 2^53; an exponent of three digits may be above what a number holds. */
const SUSPECT = /\d{16}|e\+?\d{3}/i;
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * @param text UTF-8; a byte order mark at its beginning is skipped
 * @throws JsonTextError
 */
export function readJson(text: string | Uint8Array): Json {
  const whole = typeof text === 'string' ? text : decoded(text);
  const json = whole.startsWith(BYTE_ORDER_MARK) ? whole.slice(1) : whole;
  let value: Json;
  try {
    value = JSON.parse(json) as Json;
  } catch (error) {
    throw new JsonTextError(`cannot be read, because there is no JSON in it: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (SUSPECT.test(json)) refuseLoss(json);
  if (membersWritten(json) !== membersRead(value)) throw new JsonTextError(`names ${repeated(json)} twice in one object`);
  return value;
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonTextError('is not UTF-8');
  }
}

/** @throws JsonTextError for the first number that parsing would change */
function refuseLoss(json: string): void {
  const look = (_: string, value: unknown, { source }: { readonly source?: string } = {}): unknown => {
    if (typeof value !== 'number' || source === undefined) return undefined;
    if (!Number.isFinite(value)) throw new JsonTextError(`holds ${shown(source)}, which is larger than a number can be`);
    if (/^-?\d+$/.test(source) && !Number.isSafeInteger(value) && String(value) !== source)
      throw new JsonTextError(`holds the integer ${shown(source)}, which would lose precision; write it as a string`);
    return undefined;
  };
  JSON.parse(json, look);
}

const shown = (source: string): string => (source.length > 40 ? `${source.slice(0, 40)}…` : source);

/** Number of members of all objects in a text: its strings that are followed by a colon. The text is known to be JSON. */
function membersWritten(json: string): number {
  let members = 0;
  for (let at = json.indexOf('"'); at !== -1; at = json.indexOf('"', at)) {
    at = endOfString(json, at);
    while (isSpace(json.charCodeAt(at))) at += 1;
    if (json[at] === ':') members += 1;
  }
  return members;
}

/** @param from position of its first quote @returns the position after its last quote */
function endOfString(json: string, from: number): number {
  for (let at = json.indexOf('"', from + 1); ; at = json.indexOf('"', at + 1)) {
    let slashes = 0;
    while (json[at - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
}

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

/** Number of members in a value; fewer than in the text if a name was repeated. */
function membersRead(value: Json): number {
  let members = 0;
  const left: Json[] = [value];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const within = Object.values(next);
    if (!Array.isArray(next)) members += within.length;
    for (const one of within) if (typeof one === 'object') left.push(one);
  }
  return members;
}

/** The first name that occurs twice in one object, as written. */
function repeated(json: string): string {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const end = endOfString(json, at);
      const text = json.slice(at, end);
      at = end;
      while (isSpace(json.charCodeAt(at))) at += 1;
      const names = open.at(-1);
      if (json[at] === ':' && names !== undefined) {
        const name = JSON.parse(text) as string;
        if (names.has(name)) return shown(text);
        names.add(name);
      } else at -= 1;
    }
  }
  return 'a member';
}
