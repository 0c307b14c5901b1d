/**
 * Whether checking a value against a schema may take unbounded time. Only the constructs listed here are known to end; anything
 * else counts as code or a pattern of the schema's author, so that an addition in a later zod is distrusted until somebody has
 * reviewed it.
 */
import * as z from 'zod';

type Def = Readonly<Record<string, unknown>>;
interface Node {
  readonly _zod: { readonly def: Def };
}

/** The patterns of zod's own formats, which take time linear in the text. */
const OWN_PATTERNS: ReadonlySet<string> = new Set([
  ...Object.values(z.regexes).flatMap((one) => (one instanceof RegExp ? [one.source] : [])),
  ...[undefined, 1, 2, 3, 4, 5, 6, 7, 8].map((version) => z.regexes.uuid(version).source),
  z.regexes.mac().source,
  z.regexes.time({}).source,
  z.regexes.emoji().source,
  ...[z.base64(), z.base64url(), z.nanoid()].flatMap((one) => (one._zod.def.pattern === undefined ? [] : [one._zod.def.pattern.source])),
  ...[{}, { offset: true }, { local: true }, { offset: true, local: true }].map((one) => z.regexes.datetime(one).source),
]);

const defsOf = (schema: z.ZodType): readonly Def[] => {
  const { def } = schema._zod as unknown as Node['_zod'];
  return [def, ...((def['checks'] ?? []) as readonly Node[]).map((one) => one._zod.def)];
};

/**
 * Functions that zod itself puts into a schema, by their source text: messages given as text, the condition for checking a
 * length, and changes of a text. A function of the same source does the same.
 */
const OWN_FUNCTIONS: ReadonlySet<string> = new Set(
  [
    z.string({ error: 'a message' }).min(1, 'a message').max(1).length(1).trim().toLowerCase().toUpperCase().normalize(),
    z.array(z.null()).min(1).max(1).length(1),
  ].flatMap((schema) =>
    defsOf(schema).flatMap((def) => Object.values(def).flatMap((one) => (typeof one === 'function' ? [String(one)] : []))),
  ),
);

const words = (text: string): readonly string[] => text.split(/\s+/);
const each = (text: string, inner: readonly string[]) => Object.fromEntries(words(text).map((type) => [type, inner]));
/** Types whose own check ends, with the members that hold other schemas. */
const INNER: Readonly<Record<string, readonly string[]>> = {
  ...each('string number boolean null undefined any unknown never void nan date enum literal', []),
  ...each('optional nullable nonoptional readonly default prefault', ['innerType']),
  array: ['element'],
  object: ['shape', 'catchall'],
  tuple: ['items', 'rest'],
  record: ['keyType', 'valueType'],
  union: ['options'],
  intersection: ['left', 'right'],
};
const CHECKS: ReadonlySet<unknown> = new Set(
  words('less_than greater_than multiple_of number_format min_length max_length length_equals string_format overwrite'),
);
/** Formats of zod. An author's own format with such a name is recognised by its additional function. */
const FORMATS: ReadonlySet<unknown> = new Set([
  ...words('regex includes starts_with ends_with lowercase uppercase email url uuid guid emoji nanoid cuid cuid2 ulid xid ksuid'),
  ...words('datetime date time duration ipv4 ipv6 cidrv4 cidrv6 mac base64 base64url jwt e164'),
]);
/** Formats that search for a literal text; the pattern that zod stores with them is only for JSON Schema. */
const LITERAL: ReadonlySet<unknown> = new Set(['includes', 'starts_with', 'ends_with']);
/** Values that a check compares with. */
const COMPARED: ReadonlySet<string> = new Set(['value', 'values', 'entries']);
/**
 * The value for a missing argument: it does not depend on what an agent sends, and it was already evaluated when the schema was
 * described.
 */
const DEFAULT = 'defaultValue';

/** Whether a check by the schema runs patterns or code of its author, or visits one part repeatedly. */
export function mayHang(schema: z.ZodType): boolean {
  const open = new Set<Node>();
  const ends = new Set<Node>();
  const endsAt = (node: Node): boolean => {
    if (ends.has(node)) return true;
    // A schema that refers to itself may double its alternatives with each level of the value.
    if (open.has(node)) return false;
    open.add(node);
    const { def } = node._zod;
    const inner = INNER[String(def['type'])];
    const known =
      inner !== undefined &&
      plain(def, inner) &&
      ((def['checks'] ?? []) as readonly Node[]).every((one) => plain(one._zod.def, [])) &&
      inner.every((where) => nodesOf(def[where]).every(endsAt));
    open.delete(node);
    if (known) ends.add(node);
    return known;
  };
  try {
    return z.config().customError !== undefined || !endsAt(schema as unknown as Node);
  } catch {
    return true;
  }
}

/** Whether everything that a type or a check was given is known, besides the schemas that it holds. */
function plain(def: Def, inner: readonly string[]): boolean {
  if (def['check'] !== undefined && !CHECKS.has(def['check'])) return false;
  if (def['check'] === 'string_format' && !FORMATS.has(def['format'])) return false;
  return Object.keys(def).every((word) => {
    if (word === 'checks' || word === DEFAULT || COMPARED.has(word) || inner.includes(word)) return true;
    const value = def[word];
    if (value instanceof RegExp) return LITERAL.has(def['format']) || OWN_PATTERNS.has(value.source);
    if (typeof value === 'function') return OWN_FUNCTIONS.has(String(value));
    return typeof value !== 'object' || value === null;
  });
}

/** One schema, a list of them, or members by name. */
function nodesOf(held: unknown): readonly Node[] {
  if (typeof held !== 'object' || held === null) return [];
  return '_zod' in held ? [held as Node] : (Object.values(held) as Node[]);
}
