/** Reads an OpenAPI document (3.0, 3.1) within bounds. References are followed within the document alone. */
import { parse } from 'yaml';
import { isDeeperThan, type Json } from '@corral/protocol/json';
import { readJson } from '@corral/protocol/json-text';
import { HTTP } from '@corral/protocol/limits-http';

export type Members = Readonly<Record<string, Json>>;
/** A member that is meant to be a text; empty if it is another thing. */
export const textIn = (of: Members, name: string): string => (typeof of[name] === 'string' ? of[name] : '');

export const isMembers = (value: Json | undefined): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Nesting of a document; a schema in it has a bound of its own. */
const DEPTH = 100;

/**
 * @param text JSON or YAML
 * @throws Error with the end of a sentence: why it is not such a document
 */
export function readDocument(text: string): Members {
  if (Buffer.byteLength(text) > HTTP.openapi_bytes.default) throw new Error(`it is larger than ${HTTP.openapi_bytes.default} bytes`);
  let document: Json;
  try {
    // Anchors may be used a bounded number of times: a small document could else be a large one.
    document = text.trimStart().startsWith('{')
      ? readJson(text)
      : (JSON.parse(JSON.stringify(parse(text, { maxAliasCount: 100, schema: 'core' }))) as Json);
  } catch (error) {
    throw new Error('it is neither JSON nor YAML', { cause: error });
  }
  if (!isMembers(document)) throw new Error('it is not an object');
  if (isDeeperThan(document, DEPTH)) throw new Error(`it nests deeper than ${DEPTH} levels`);
  const { openapi } = document;
  if (typeof openapi !== 'string' || !/^3\.[01]\./.test(openapi)) throw new Error('it is not a document of OpenAPI 3.0 or 3.1');
  return document;
}

/** References that lead on to others; beyond it they count as a circle. */
const HOPS = 16;

/** The value at a reference within the document, and its own path. @throws Error for one that leads elsewhere or nowhere */
export function referred(document: Members, ref: string): { readonly value: Json; readonly at: string } {
  let at = ref;
  for (let hops = 0; hops < HOPS; hops += 1) {
    const value = valueAt(document, at);
    if (!isMembers(value) || typeof value['$ref'] !== 'string') return { value, at };
    at = value['$ref'];
  }
  throw new Error(`${ref} refers to itself`);
}

function valueAt(document: Members, ref: string): Json {
  if (!ref.startsWith('#/')) throw new Error(`it refers to ${ref.slice(0, 200)}, which is not in the document`);
  let value: Json | undefined = document;
  for (const part of ref.slice(2).split('/')) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    value = Array.isArray(value)
      ? (value as readonly Json[])[Number(name)]
      : isMembers(value) && Object.hasOwn(value, name)
        ? value[name]
        : undefined;
  }
  if (value === undefined) throw new Error(`it refers to ${ref.slice(0, 200)}, which is not there`);
  return value;
}

/** An object of the document, with a reference in its place followed. */
export function objectAt(document: Members, value: Json | undefined): Members | undefined {
  if (!isMembers(value)) return undefined;
  if (typeof value['$ref'] !== 'string') return value;
  const found = referred(document, value['$ref']).value;
  return isMembers(found) ? found : undefined;
}
