/**
 * Declarations of who writes the fields of a tool's results (`Returns`), held against the schema of the results. A path that names nothing would
 * leave a stranger's field to the system, and nobody would notice.
 *
 * The outcome is the list of fields that are not strangers', so that a field which the schema does not name is one.
 */
import { FIELD_PATHS_MAX, fieldStepsOf, fieldText, type FieldStep } from '@corral/protocol/model/field-path';
import { nearest } from '@corral/protocol/nearest';
import type { JsonSchema } from '@corral/protocol/ports/contract';
import type { Returns, ToolAnnotations } from '@corral/protocol/ports/tool';
import { branches, isObject } from './annotated.ts';

export interface FieldFault {
  readonly path: string;
  readonly message: string;
  /** No result of the schema has such a field. */
  readonly absent: boolean;
}

export interface Resolved extends Pick<ToolAnnotations, 'trusted_fields'> {
  readonly returns: 'trusted' | 'untrusted';
  readonly faults: readonly FieldFault[];
}

type Steps = readonly FieldStep[];

/** Nesting to which schemas are followed; a field below is a stranger's. */
const DEPTH = 24;
/** Places of a schema that are looked at: by references, a small schema has more of them than anybody could. The rest is a stranger's. */
const PLACES = 10_000;
/** Fields of a schema that are named in a refusal, and that a misspelt one is compared with. */
const SHOWN = 12;
const COMPARED = 200;

/**
 * @param schema of the results; asked for only where fields are named
 * @returns `faults` of paths; what they name counts as a stranger's
 */
export function resolveReturns(returns: Returns, schema: () => JsonSchema): Resolved {
  if (typeof returns === 'string') return { returns, faults: [] };
  const isListOfOthers = 'untrusted' in returns;
  const paths = 'untrusted' in returns ? returns.untrusted : returns.trusted;
  const root = schema();
  const faults: FieldFault[] = [];
  const found: Steps[] = [];
  for (const path of paths) {
    const steps = fieldStepsOf(path);
    if (typeof steps === 'string') faults.push({ path, message: `${path}: ${steps}`, absent: false });
    else {
      const reached = reach(root, steps);
      if (reached === 'nothing') faults.push({ path, message: `${path}: ${noSuchField(root, steps)}`, absent: true });
      else if (reached === 'beyond' && isListOfOthers) faults.push({ path, message: `${path}: ${UNKNOWN_OTHERS}`, absent: false });
      else found.push(steps);
    }
  }
  if (!isListOfOthers) return { returns: 'untrusted', faults, trusted_fields: found.map((steps) => fieldText(steps)) };
  // Where a stranger's field is not known, the others are not either.
  const others = faults.every(({ absent }) => absent) ? ownBeside(root, found) : [];
  if (others.length <= FIELD_PATHS_MAX) return { returns: 'untrusted', faults, trusted_fields: others };
  const message = `there are ${others.length} fields besides, and at most ${FIELD_PATHS_MAX} can be named; say which are \`trusted\` instead`;
  return { returns: 'untrusted', faults: [...faults, { path: paths[0] ?? '', message, absent: false }] };
}

/**
 * The fault of fields that are named for all tools of a source together: a field may be one of some tools alone, and where a schema does not say
 * which fields there are, all of the result is a stranger's. @returns undefined: each is a field of some tool
 */
export function faultOfAll(each: Iterable<Resolved>): string | undefined {
  const all = [...each];
  const common = all[0]?.faults.find(({ path }) => all.every(({ faults }) => faults.some((one) => one.path === path)));
  const faults = all.flatMap((one) => one.faults.filter(({ path }) => path === common?.path));
  // One that names the fields that there are says more.
  return (faults.find(({ absent }) => absent) ?? common)?.message;
}

const UNKNOWN_OTHERS =
  'the schema of the result does not say which fields there are beside it; name those that the system writes itself as `trusted` instead';

function noSuchField(root: JsonSchema, steps: Steps): string {
  const names: string[] = [];
  listFields(root, branches(root, root), [], new Set(), { names, left: PLACES });
  if (names.length === 0) return 'the result is one value and has no fields';
  const one = nearest(fieldText(steps), names);
  const shown = names.slice(0, SHOWN).join(', ');
  return `the result has no such field; there are ${shown}${names.length > SHOWN ? ', …' : ''}${one === undefined ? '' : `. Did you mean ${one}?`}`;
}

const typesOf = ({ type }: JsonSchema): readonly unknown[] => (type === undefined ? [] : Array.isArray(type) ? type : [type]);
const isUnion = (schema: JsonSchema) => ['anyOf', 'oneOf', 'allOf'].some((word) => Array.isArray(schema[word]));
const saysNothing = (schema: unknown): boolean =>
  schema === undefined || schema === true || (isObject(schema) && Object.keys(schema).length === 0);

/** Whether anything may be below a value of this schema. */
function isFree(schema: JsonSchema): boolean {
  const { properties, additionalProperties, items, prefixItems } = schema;
  const types = typesOf(schema);
  if (schema['const'] !== undefined || schema['enum'] !== undefined || isUnion(schema)) return false;
  const isObjectLike = types.includes('object') || (types.length === 0 && items === undefined && prefixItems === undefined);
  const isListLike = types.includes('array') || (types.length === 0 && properties === undefined && additionalProperties === undefined);
  return (
    (isObjectLike && properties === undefined && saysNothing(additionalProperties)) ||
    (isListLike && saysNothing(items) && prefixItems === undefined)
  );
}

/** Whether a schema has values with nothing below. A text may hold JSON. */
const isText = (schema: JsonSchema): boolean => typesOf(schema).includes('string') && schema['enum'] === undefined;

interface Below {
  readonly names: ReadonlyMap<string, JsonSchema[]>;
  /** Members of other names. */
  readonly others: JsonSchema[];
  readonly items: JsonSchema[];
}

function below(root: JsonSchema, here: readonly JsonSchema[]): Below {
  const names = new Map<string, JsonSchema[]>();
  const [others, items]: [JsonSchema[], JsonSchema[]] = [[], []];
  for (const { properties, additionalProperties, patternProperties, items: each, prefixItems } of here) {
    for (const [name, one] of isObject(properties) ? Object.entries(properties) : [])
      names.set(name, [...(names.get(name) ?? []), ...branches(root, one)]);
    for (const one of [additionalProperties, ...(isObject(patternProperties) ? Object.values(patternProperties) : [])])
      if (one === true) others.push({});
      else if (isObject(one)) others.push(...branches(root, one));
    for (const one of [each, ...(Array.isArray(prefixItems) ? prefixItems : [])]) if (isObject(one)) items.push(...branches(root, one));
  }
  return { names, others, items };
}

/** `beyond`: the schema does not say what is there. */
function reach(root: JsonSchema, steps: Steps): 'known' | 'beyond' | 'nothing' {
  let here = branches(root, root);
  for (const step of steps) {
    if (here.length === 0 || here.some((one) => isFree(one))) return 'beyond';
    const { names, others, items } = below(root, here);
    const next =
      step === 'item' ? items : step === 'any' ? [...[...names.values()].flat(), ...others, ...items] : (names.get(step.name) ?? others);
    const isThere = next.length > 0 || (typeof step === 'object' && names.has(step.name));
    if (!isThere) return here.some((one) => isText(one)) ? 'beyond' : 'nothing';
    here = next;
  }
  return 'known';
}

interface Listed {
  readonly names: string[];
  /** Places that are still looked at. */
  left: number;
}

function listFields(root: JsonSchema, here: readonly JsonSchema[], at: Steps, stack: ReadonlySet<JsonSchema>, into: Listed): void {
  if ((into.left -= 1) < 0 || at.length > DEPTH || into.names.length >= COMPARED || here.some((one) => stack.has(one))) return;
  const inside = new Set([...stack, ...here]);
  const { names, others, items } = below(root, here);
  for (const [name, one] of names) listFields(root, one, [...at, { name }], inside, into);
  if (others.length > 0) listFields(root, others, [...at, 'any'], inside, into);
  if (items.length > 0) listFields(root, items, [...at, 'item'], inside, into);
  if (names.size + others.length + items.length === 0 && at.length > 0) into.names.push(fieldText(at));
}

/** The rest of the paths of strangers' fields below a child; an empty one: it is such a field. */
const goOn = (left: readonly Steps[], child: { readonly name: string } | 'item' | 'other'): readonly Steps[] =>
  left.flatMap(([step, ...rest]) => {
    // A member whose name is not known may be any of those that are named.
    const fits =
      step === 'any' || (child === 'item' ? step === 'item' : typeof step === 'object' && (child === 'other' || step.name === child.name));
    return fits ? [rest] : [];
  });

/** The fields of a schema that are not strangers', each as high up as nothing else can be below it. */
function ownBeside(root: JsonSchema, strangers: readonly Steps[]): string[] {
  let places = PLACES;
  const walk = (here: readonly JsonSchema[], at: Steps, left: readonly Steps[], stack: ReadonlySet<JsonSchema>): Own => {
    // Below a schema that refers to itself the rest is not followed.
    if ((places -= 1) < 0 || at.length > DEPTH || here.length === 0 || here.some((one) => stack.has(one))) return NOT;
    if (left.some((steps) => steps.length === 0)) return NOT;
    const free = here.some((one) => isFree(one));
    const inside = new Set([...stack, ...here]);
    const { names, others, items } = below(root, here);
    const named = [...names].map(([name, one]) => walk(one, [...at, { name }], goOn(left, { name }), inside));
    const other = others.length === 0 ? ALL : walk(others, [...at, 'any'], goOn(left, 'other'), inside);
    const item = items.length === 0 ? ALL : walk(items, [...at, 'item'], goOn(left, 'item'), inside);
    const isWhole = left.length === 0 && [...named, other, item].every(({ whole }) => whole) && here.every((one) => free || isClosed(one));
    if (isWhole && at.length > 0) return { whole: true, paths: [at] };
    // `*` would stand for the named members too, and for items.
    const rest = named.every(({ whole }) => whole) && items.length === 0 ? other.paths : [];
    return { whole: isWhole, paths: [...named.flatMap(({ paths }) => paths), ...rest, ...item.paths] };
  };
  return walk(branches(root, root), [], strangers, new Set()).paths.map((steps) => fieldText(steps));
}

interface Own {
  /** Everything in it is not a stranger's. */
  readonly whole: boolean;
  readonly paths: readonly Steps[];
}
const NOT: Own = { whole: false, paths: [] };
const ALL: Own = { whole: true, paths: [] };

/** Whether values of a schema have no members but those that it describes. */
function isClosed(schema: JsonSchema): boolean {
  const { properties, additionalProperties } = schema;
  if (properties === undefined && !typesOf(schema).includes('object')) return true;
  return typeof additionalProperties === 'boolean' || isObject(additionalProperties);
}
