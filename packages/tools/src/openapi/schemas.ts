/**
 * Schemas of an OpenAPI document as JSON Schema, each with all that it refers to. Those of 3.0 say some things in words of their own
 * (https://spec.openapis.org/oas/v3.0.3#schema-object); in 3.1 they are JSON Schema of 2020-12.
 */
import type { Json } from '@corral/protocol/json';
import { isMembers, referred, textIn, type Members } from './document.ts';

/** Keywords that say nothing about whether a value fits. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'discriminator',
  'xml',
  'externalDocs',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$schema',
  '$id',
  '$anchor',
  '$comment',
]);
/** Keywords whose members are named by the author. */
const NAMED: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const LITERAL: ReadonlySet<string> = new Set(['const', 'enum', 'default']);

export class Schemas {
  readonly #document: Members;
  readonly #isOld: boolean;
  /** By the path in the document; a schema that refers to itself is there once. */
  readonly #names = new Map<string, string>();
  readonly #defs: Record<string, Json> = {};

  constructor(document: Members) {
    this.#document = document;
    this.#isOld = textIn(document, 'openapi').startsWith('3.0');
  }

  /** The definitions to which the schemas that were read so far refer. */
  get defs(): Readonly<Record<string, Json>> {
    return this.#defs;
  }

  /** @throws Error with the end of a sentence */
  read(schema: Json | undefined): Json {
    if (schema === undefined || schema === true) return {};
    if (Array.isArray(schema)) return schema.map((one: Json) => this.read(one));
    if (!isMembers(schema)) return schema;
    const { $ref } = schema;
    if (typeof $ref === 'string') {
      const own = this.#reference($ref);
      const { $ref: _, ...beside } = schema;
      const rest = this.#isOld ? {} : (this.#members(beside) as Members);
      return Object.keys(rest).length === 0 ? own : { allOf: [own, rest] };
    }
    return this.#members(schema);
  }

  #reference(ref: string): Members {
    const { value, at } = referred(this.#document, ref);
    let name = this.#names.get(at);
    if (name === undefined) {
      name = freeName(at.slice(at.lastIndexOf('/') + 1).replaceAll(/[^A-Za-z0-9_.-]/g, '_'), this.#defs);
      this.#names.set(at, name);
      // Its place is taken before it is read, since it may refer to itself.
      this.#defs[name] = {};
      this.#defs[name] = this.read(value);
    }
    return { $ref: `#/$defs/${name}` };
  }

  #members(schema: Members): Json {
    const made: Record<string, Json> = {};
    for (const [word, value] of Object.entries(schema)) {
      if (LEFT_OUT.has(word) || word.startsWith('x-') || (this.#isOld && word === 'nullable')) continue;
      if (LITERAL.has(word)) made[word] = value;
      else if (NAMED.has(word) && isMembers(value))
        made[word] = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.read(one)]));
      else made[word] = typeof value === 'object' ? this.read(value) : value;
    }
    return this.#isOld ? fromOld(schema, made) : made;
  }
}

function freeName(wanted: string, taken: Readonly<Record<string, Json>>): string {
  let name = wanted === '' || wanted === '__proto__' ? 'schema' : wanted;
  for (let n = 2; Object.hasOwn(taken, name); n += 1) name = `${wanted}_${n}`;
  return name;
}

/** Words of 3.0 in those of JSON Schema. */
function fromOld({ nullable }: Members, made: Record<string, Json>): Json {
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof made[flag] !== 'boolean') continue;
    if (made[flag] && made[bound] !== undefined) {
      made[flag] = made[bound];
      delete made[bound];
    } else delete made[flag];
  }
  if (nullable !== true) return made;
  if (typeof made['type'] !== 'string') return { anyOf: [made, { type: 'null' }] };
  made['type'] = [made['type'], 'null'];
  if (Array.isArray(made['enum']) && !made['enum'].includes(null)) made['enum'] = [...(made['enum'] as Json[]), null];
  return made;
}
