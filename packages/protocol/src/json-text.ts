/**
 * Reads JSON texts of people and programs: in requests, in files, on a command line. `JSON.parse` alone changes some texts
 * silently: of two members with one name it keeps the last, integers above 2^53 change, and bytes that are not UTF-8 are
 * replaced. Each of these is refused here, because a changed amount or account must not be acted on.
 */
import type { Json } from './json.ts';
import { JsonScan, type JsonBounds, type JsonFault } from './json-scan.ts';

/** The fault of a text, as the rest of a sentence that begins with its name. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
}

const BYTE_ORDER_MARK = '\uFEFF';
/** Characters that are looked at in one piece. */
const PIECE = 1024 * 1024;
const UNBOUNDED: JsonBounds = { depth: Number.POSITIVE_INFINITY, members: Number.POSITIVE_INFINITY, names: Number.POSITIVE_INFINITY };

/**
 * @param text UTF-8; a byte order mark at its beginning is skipped
 * @throws JsonTextError
 */
export function readJson(text: string | Uint8Array, bounds = UNBOUNDED): Json {
  const pieces = readJsonInPieces(text, bounds);
  for (let piece = pieces.next(); ; piece = pieces.next()) if (piece.done === true) return piece.value;
}

/**
 * Like `readJson`, for a host that has other things to do between two pieces: none of them takes long, if the bounds on members and names
 * are low. They are checked before the text is parsed, since parsing cannot be interrupted.
 * @throws JsonTextError
 */
export function* readJsonInPieces(text: string | Uint8Array, bounds: JsonBounds): Generator<undefined, Json> {
  const whole = typeof text === 'string' ? text : decoded(text);
  const json = whole.startsWith(BYTE_ORDER_MARK) ? whole.slice(1) : whole;
  if (json.length > PIECE) yield;
  const scan = new JsonScan(json, bounds, refuseLoss);
  while (scan.go(PIECE)) yield;
  refuseFault(scan.fault);
  if (json.length > PIECE) yield;
  let value: Json;
  try {
    value = JSON.parse(json) as Json;
  } catch (error) {
    throw new JsonTextError(`is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (scan.named !== membersRead(value)) throw new JsonTextError(`names ${repeated(json)} twice in one object`);
  return value;
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonTextError('is not UTF-8');
  }
}

/** @throws JsonTextError for a fault that the parser would not find */
function refuseFault(fault: JsonFault | undefined): void {
  switch (fault?.kind) {
    case 'depth':
      throw new JsonTextError(`nests deeper than ${fault.most} levels`);
    case 'members':
      throw new JsonTextError(`has more than ${fault.most} members and items`);
    case 'names':
      throw new JsonTextError(`has more than ${fault.most} different names of members`);
    case 'number':
      throw new JsonTextError(`holds ${fault.number}…, which has too many digits`);
    case 'syntax':
    case undefined:
  }
}

/** @throws JsonTextError for a number that parsing would change */
function refuseLoss(source: string): boolean {
  const value = Number(source);
  if (!Number.isFinite(value) && !Number.isNaN(value))
    throw new JsonTextError(`holds ${shown(source)}, which is larger than a number can be`);
  if (/^-?\d+$/.test(source) && !Number.isSafeInteger(value) && String(value) !== source)
    throw new JsonTextError(`holds the integer ${shown(source)}, which would lose precision; write it as a string`);
  return true;
}

const shown = (source: string): string => (source.length > 40 ? `${source.slice(0, 40)}…` : source);

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
