/**
 * The operations of an OpenAPI document as declarations of tools, which are pinned. All that a tool is made of is in its declaration, so a
 * document that changes changes nothing until a person has accepted that.
 */
import { hash } from 'node:crypto';
import { ToolName } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { HTTP } from '@corral/protocol/limits-http';
import type { Declaration } from '@corral/protocol/ports/pins';
import { contractBy } from '../host/contracts.ts';
import { isMembers, objectAt, textIn, type Members } from './document.ts';
import { Schemas } from './schemas.ts';

export const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;
const PLACES = ['path', 'query', 'header'] as const;

/** A parameter: where it goes, and how a value is written there. */
export interface Parameter {
  /** The argument of the tool. */
  readonly argument: string;
  readonly name: string;
  readonly in: (typeof PLACES)[number];
  readonly style: string;
  readonly explode: boolean;
  /** Its value is written as JSON. */
  readonly json: boolean;
}

/** All that a tool is made of, as it is pinned. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  /** The media type of its body, which is the argument `body`. */
  readonly body: string | null;
  readonly input: Members;
  readonly output: Members;
}

const DESCRIPTION_CHARS = 4_096;
const BODIES = ['application/json', 'application/x-www-form-urlencoded', 'text/plain'] as const;

interface Found {
  readonly id: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly operation: Members;
  readonly shared: Json | undefined;
}

/**
 * @param only operations by their id, or as `GET /pets/{id}`; undefined: all
 * @returns declarations, why an operation has none, and the names of `only` that the document does not have
 */
export function declarationsOf(source: string, document: Members, only: readonly string[] | undefined) {
  const notes: string[] = [];
  const all = operationsOf(document);
  const wanted = all.filter(
    (one) => only === undefined || only.some((name) => name === one.id || name === `${one.method.toUpperCase()} ${one.path}`),
  );
  const most = HTTP.openapi_operations.default;
  if (wanted.length > most) notes.push(`the document has ${wanted.length} operations; the first ${most} are offered`);
  const taken = wanted.slice(0, most);
  // Names that several operations would have get the digest of method and path, so that another operation changes none of them.
  const counts = new Map<string, number>();
  for (const one of taken) counts.set(nameOf(source, one), (counts.get(nameOf(source, one)) ?? 0) + 1);
  const declarations = taken.flatMap((one): Declaration[] => {
    const plain = nameOf(source, one);
    const name = (counts.get(plain) ?? 0) > 1 ? `${plain.slice(0, 90)}-${hash('sha256', `${one.method} ${one.path}`).slice(0, 8)}` : plain;
    const shown = `${one.method.toUpperCase()} ${one.path}`.slice(0, 200);
    try {
      if (!ToolName.safeParse(name).success || plain === `${source}.`) throw new Error('nothing of its name can be one of this host');
      const says = operationOf(document, one);
      contractBy(says.input);
      return [{ name, says: says as unknown as Json }];
    } catch (error) {
      notes.push(`${shown} is not offered: ${error instanceof Error ? error.message : 'it cannot be read'}`);
      return [];
    }
  });
  const missing = (only ?? []).filter((name) => !all.some((one) => name === one.id || name === `${one.method.toUpperCase()} ${one.path}`));
  return { declarations, notes, missing };
}

function operationsOf(document: Members): Found[] {
  const paths = isMembers(document['paths']) ? document['paths'] : {};
  return Object.entries(paths).flatMap(([path, said]) => {
    const item = objectAt(document, said);
    if (item === undefined || !path.startsWith('/')) return [];
    return METHODS.flatMap((method): Found[] => {
      const operation = item[method];
      if (!isMembers(operation)) return [];
      const { operationId: id } = operation;
      return [{ id: typeof id === 'string' ? id : undefined, method, path, operation, shared: item['parameters'] }];
    });
  });
}

/** `listPets` of `pets` is `pets.list_pets`; an operation without an id is called by its method and path. */
function nameOf(source: string, { id, method, path }: Found): string {
  const own = (id ?? `${method}_${path}`)
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return `${source}.${own}`.slice(0, 100);
}

function operationOf(document: Members, { method, path, operation, shared }: Found): Operation {
  const schemas = new Schemas(document);
  const properties: Record<string, Json> = {};
  const required: string[] = [];
  const parameters = parametersOf(document, shared, operation['parameters']).flatMap((said): Parameter[] => {
    const place = PLACES.find((one) => one === said['in']);
    const name = typeof said['name'] === 'string' ? said['name'] : '';
    const isRequired = said['required'] === true || place === 'path';
    if (place === undefined) {
      // The host keeps no cookies.
      if (isRequired) throw new Error(`it needs the ${textIn(said, 'in').slice(0, 40)} parameter ${name.slice(0, 100)}`);
      return [];
    }
    if (place === 'header' && /^(?:accept|content-type|authorization)$/i.test(name)) return [];
    const argument = Object.hasOwn(properties, name) || name === 'body' || name === '' ? `${place}_${name}` : name;
    if (Object.hasOwn(properties, argument)) throw new Error(`two of its parameters are called ${name.slice(0, 100)}`);
    const content = isMembers(said['content']) ? Object.values(said['content'])[0] : undefined;
    const schema = schemas.read(isMembers(content) ? content['schema'] : said['schema']);
    const text = textOf(said['description']);
    properties[argument] =
      text === '' || !isMembers(schema)
        ? schema
        : '$ref' in schema
          ? { description: text, allOf: [schema] }
          : { description: text, ...schema };
    if (isRequired) required.push(argument);
    const style = typeof said['style'] === 'string' ? said['style'] : place === 'query' ? 'form' : 'simple';
    const explode = typeof said['explode'] === 'boolean' ? said['explode'] : style === 'form';
    return [{ argument, name, in: place, style, explode, json: content !== undefined }];
  });
  for (const [, name = ''] of path.matchAll(/\{([^{}]*)\}/g))
    if (!parameters.some((one) => one.in === 'path' && one.name === name))
      throw new Error(`it does not say what ${name.slice(0, 100)} in its path is`);
  const body = bodyOf(document, operation, schemas);
  if (body !== undefined) {
    properties['body'] = body.schema;
    if (body.required) required.push('body');
  }
  const answer = answerOf(document, operation, schemas);
  const defs = Object.keys(schemas.defs).length === 0 ? {} : { $defs: schemas.defs };
  return {
    method: method.toUpperCase(),
    path,
    description: descriptionOf(operation, method, path),
    parameters,
    body: body?.type ?? null,
    input: { type: 'object', properties, required, additionalProperties: false, ...defs },
    output: { type: 'object', properties: { status: { type: 'integer' }, body: answer }, required: ['status'], ...defs },
  };
}

/** Parameters of an operation take the place of those of its path with the same name and place. */
function parametersOf(document: Members, ...lists: readonly (Json | undefined)[]): Members[] {
  const all = new Map<string, Members>();
  for (const list of lists)
    for (const one of Array.isArray(list) ? (list as readonly Json[]) : []) {
      const said = objectAt(document, one);
      if (said !== undefined) all.set(`${textIn(said, 'in')} ${textIn(said, 'name')}`, said);
    }
  return [...all.values()];
}

function bodyOf(document: Members, operation: Members, schemas: Schemas) {
  const said = objectAt(document, operation['requestBody']);
  if (said === undefined) return undefined;
  const content = isMembers(said['content']) ? said['content'] : {};
  const required = said['required'] === true;
  const offered = Object.keys(content).map((full) => ({ full, type: (full.split(';')[0] ?? '').trim().toLowerCase() }));
  const type = BODIES.find((one) => offered.some((other) => other.type === one)) ?? offered.find((one) => one.type.endsWith('+json'))?.type;
  if (type === undefined) {
    if (required) throw new Error(`its body is of a kind that no tool can write: ${Object.keys(content).join(', ').slice(0, 200)}`);
    return undefined;
  }
  const media = content[offered.find((one) => one.type === type)?.full ?? ''];
  return { type, required, schema: schemas.read(isMembers(media) ? media['schema'] : undefined) };
}

/** The schema of the body of an answer that succeeds; any, if there are several. */
function answerOf(document: Members, operation: Members, schemas: Schemas): Json {
  const responses = isMembers(operation['responses']) ? operation['responses'] : {};
  const good = Object.entries(responses).filter(([status]) => /^2(?:\d\d|XX)$/i.test(status));
  const said = good.map(([, one]) => {
    const content = objectAt(document, one)?.['content'];
    const json = isMembers(content) ? Object.entries(content).find(([type]) => /\bjson\b/.test(type))?.[1] : undefined;
    return isMembers(json) ? schemas.read(json['schema']) : {};
  });
  return said.length === 1 ? (said[0] as Json) : {};
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value.trim() : '');

function descriptionOf(operation: Members, method: string, path: string): string {
  const [summary, description] = [textOf(operation['summary']), textOf(operation['description'])];
  const text = [summary, description].filter((one) => one !== '').join(' ') || `${method.toUpperCase()} ${path}`;
  return text.length > DESCRIPTION_CHARS ? `${text.slice(0, DESCRIPTION_CHARS - 1)}…` : text;
}
