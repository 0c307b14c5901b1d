/**
 * Compiles expressions to closures. Everything that depends only on subject and tool is evaluated once, here; the rest becomes a
 * closure over the context. The result equals that of Cedar's evaluator, including errors and their order, which the property
 * test in oracle.test.ts checks. An unknown construct throws UnsupportedConstruct.
 */
import type { CedarJson, Expression } from './engine.ts';
import type { EntityUid } from './engine.ts';
import { uidOf } from './engine.ts';
import { valueFrom, type Entities } from './entities.ts';
import { Datetime, Duration } from './extension.ts';
import { FUNCTIONS } from './functions.ts';
import { ALL, isInspect } from './inspected.ts';
import { like, type PatternPart } from './like.ts';
import * as v from './value.ts';
import { CedarSet, Entity, EvaluationError, isRecord, UnsupportedConstruct, type CedarRecord, type Value } from './value.ts';

export type Run = (context: CedarRecord) => Value;
/** A known value, or a closure over the context. */
export type Node = { readonly value: Value } | { readonly run: Run };

/** Facts that are known before the call. */
export interface Known {
  readonly principal: Entity;
  readonly action: Entity;
  readonly resource: Entity;
  readonly entities: Entities;
  /** The part of the context that is the same for every call. */
  readonly context: CedarRecord;
  /** Gets the names of inspectors that what is left of an expression may look at; see inspected.ts. */
  readonly inspects?: (name: string) => void;
  /** Called if it may look at `context.call`, the size of the value among it. */
  readonly measures?: () => void;
}

const constant = (value: Value): Node => ({ value });
const fail = (message: string): never => {
  throw new EvaluationError(message);
};

/** Evaluates now; an error becomes a closure that throws it when, and only when, Cedar would. */
function fold(work: () => Value): Node {
  try {
    return constant(work());
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return {
      run: () => {
        throw error;
      },
    };
  }
}

function unary(node: Node, f: (value: Value) => Value): Node {
  if ('value' in node) return fold(() => f(node.value));
  const { run } = node;
  return { run: (context) => f(run(context)) };
}

function binary(left: Node, right: Node, f: (a: Value, b: Value) => Value): Node {
  if ('value' in left) {
    const a = left.value;
    if ('value' in right) return fold(() => f(a, right.value));
    const { run } = right;
    return { run: (context) => f(a, run(context)) };
  }
  const { run } = left;
  if ('value' in right) {
    const b = right.value;
    return { run: (context) => f(run(context), b) };
  }
  const second = right.run;
  return { run: (context) => f(run(context), second(context)) };
}

const bool = (value: Value): boolean => (typeof value === 'boolean' ? value : fail('expected a boolean'));
const number = (value: Value): v.Long => (v.isLong(value) ? value : fail('expected a long'));
const set = (value: Value): CedarSet => (value instanceof CedarSet ? value : fail('expected a set'));
const text = (value: Value): string => (typeof value === 'string' ? value : fail('expected a string'));
const entity = (value: Value): Entity => (value instanceof Entity ? value : fail('expected an entity'));

function compare(ofNumbers: (a: v.Long, b: v.Long) => boolean) {
  return (a: Value, b: Value): Value => {
    if (v.isLong(a) && v.isLong(b)) return ofNumbers(a, b);
    if (a instanceof Datetime && b instanceof Datetime) return ofNumbers(a.ms, b.ms);
    if (a instanceof Duration && b instanceof Duration) return ofNumbers(a.ms, b.ms);
    return fail('expected two longs, two datetimes or two durations');
  };
}

const BINARY: ReadonlyMap<string, (a: Value, b: Value) => Value> = new Map(
  Object.entries({
    '==': v.equal,
    '!=': (a: Value, b: Value) => !v.equal(a, b),
    '<': compare((a, b) => a < b),
    '<=': compare((a, b) => a <= b),
    '>': compare((a, b) => a > b),
    '>=': compare((a, b) => a >= b),
    '+': (a: Value, b: Value) => v.add(number(a), number(b)),
    '-': (a: Value, b: Value) => v.subtract(number(a), number(b)),
    '*': (a: Value, b: Value) => v.multiply(number(a), number(b)),
    contains: (a: Value, b: Value) => set(a).has(b),
    containsAll: (a: Value, b: Value) => set(a).hasAll(set(b)),
    containsAny: (a: Value, b: Value) => set(a).hasAny(set(b)),
  }),
);

type Two = { readonly left: Expression; readonly right: Expression };
type One = { readonly arg: Expression };

/** @throws UnsupportedConstruct */
export function compile(expression: Expression, known: Known): Node {
  const operator = Object.keys(expression)[0] as string;
  const body = expression[operator];
  const ofTwo = BINARY.get(operator);
  if (ofTwo !== undefined) {
    const { left, right } = body as Two;
    return binary(compile(left, known), compile(right, known), ofTwo);
  }
  switch (operator) {
    case 'Value':
      return fold(() => valueFrom(body as CedarJson));
    case 'Var':
      return variable(body as string, known);
    case '!':
      return unary(compile((body as One).arg, known), (value) => !bool(value));
    case 'neg':
      return unary(compile((body as One).arg, known), (value) => v.subtract(0, number(value)));
    case 'isEmpty':
      return unary(compile((body as One).arg, known), (value) => set(value).items.length === 0);
    case '&&': {
      const left = compile((body as Two).left, known);
      // The other side is never evaluated, so it needs no facts.
      return 'value' in left && left.value === false ? left : both(left, compile((body as Two).right, known));
    }
    case '||': {
      const left = compile((body as Two).left, known);
      return 'value' in left && left.value === true ? left : either(left, compile((body as Two).right, known));
    }
    case 'in':
      return membership(compile((body as Two).left, known), compile((body as Two).right, known), known.entities);
    case '.':
      return attribute(body as { left: Expression; attr: string }, known);
    case 'has':
      return has(body as { left: Expression; attr: string | string[] }, known);
    case 'hasTag':
      return tagged(body as Two, known, (tags, tag) => Object.hasOwn(tags, tag));
    case 'getTag':
      return tagged(body as Two, known, member);
    case 'like': {
      const { left, pattern } = body as { left: Expression; pattern: readonly PatternPart[] };
      const matches = like(pattern);
      return unary(compile(left, known), (value) => matches(text(value)));
    }
    case 'is': {
      const { left, entity_type: type, in: within } = body as { left: Expression; entity_type: string; in?: Expression };
      const subject = compile(left, known);
      const is = unary(subject, (value) => entity(value).type === type);
      return within === undefined ? is : both(is, membership(subject, compile(within, known), known.entities));
    }
    case 'if-then-else': {
      const parts = body as { if: Expression; then: Expression; else: Expression };
      const test = compile(parts.if, known);
      if ('value' in test && typeof test.value === 'boolean') return compile(test.value ? parts.then : parts.else, known);
      return choice(test, compile(parts.then, known), compile(parts.else, known));
    }
    case 'Set':
      return gathered(
        (body as Expression[]).map((item) => compile(item, known)),
        (items) => new CedarSet(items),
      );
    case 'Record':
      return recordOf(body as Record<string, Expression>, known);
    default:
      return call(operator, body, known);
  }
}

/** A question about a tag of an entity. */
function tagged({ left, right }: Two, known: Known, ask: (tags: Readonly<Record<string, Value>>, tag: string) => Value): Node {
  return binary(compile(left, known), compile(right, known), (a, b) => {
    const [owner, tag] = [entity(a), text(b)];
    return ask(known.entities.get(owner)?.tags ?? {}, tag);
  });
}

function recordOf(body: Readonly<Record<string, Expression>>, known: Known): Node {
  const entries = Object.entries(body);
  return gathered(
    entries.map(([, item]) => compile(item, known)),
    (items) => {
      const record = Object.create(null) as Record<string, Value>;
      for (const [i, [name]] of entries.entries()) record[name] = items[i] as Value;
      return record;
    },
  );
}

function variable(name: string, known: Known): Node {
  if (name === 'context') return { run: (context) => context };
  if (name === 'principal' || name === 'action' || name === 'resource') return constant(known[name]);
  throw new UnsupportedConstruct(`the variable ${name}`);
}

function call(name: string, body: unknown, known: Known): Node {
  const made = FUNCTIONS.get(name);
  if (made === undefined || !Array.isArray(body) || body.length !== made.arity) throw new UnsupportedConstruct(`the construct ${name}`);
  const args = (body as Expression[]).map((arg) => compile(arg, known));
  if (made.arity === 1) return unary(args[0] as Node, (value) => made.apply(value, value));
  return binary(args[0] as Node, args[1] as Node, made.apply);
}

/** Left first; if the left side is false, the right side is not evaluated, and so cannot fail. */
export function both(left: Node, right: Node): Node {
  if ('value' in left) {
    if (left.value === false) return left;
    return left.value === true ? unary(right, bool) : unary(left, bool);
  }
  const { run } = left;
  if ('value' in right) {
    const known = right;
    return { run: (context) => bool(run(context)) && bool(known.value) };
  }
  const second = right.run;
  return { run: (context) => bool(run(context)) && bool(second(context)) };
}

function either(left: Node, right: Node): Node {
  if ('value' in left) {
    if (left.value === true) return left;
    return left.value === false ? unary(right, bool) : unary(left, bool);
  }
  const { run } = left;
  const second: Run = 'value' in right ? () => right.value : right.run;
  return { run: (context) => bool(run(context)) || bool(second(context)) };
}

export function negated(node: Node): Node {
  return unary(node, (value) => !bool(value));
}

function choice(test: Node, then: Node, otherwise: Node): Node {
  if ('value' in test) return unary(test, bool);
  const [first, second]: Run[] = [then, otherwise].map((node) => ('value' in node ? () => node.value : node.run));
  const { run } = test;
  return { run: (context) => (bool(run(context)) ? (first as Run)(context) : (second as Run)(context)) };
}

function gathered(nodes: readonly Node[], make: (items: Value[]) => Value): Node {
  if (nodes.every((node) => 'value' in node)) return constant(make(nodes.map((node) => node.value)));
  const runs = nodes.map((node): Run => ('value' in node ? () => node.value : node.run));
  return { run: (context) => make(runs.map((run) => run(context))) };
}

function membership(left: Node, right: Node, entities: Entities): Node {
  return binary(left, right, (a, b) => {
    const subject = entity(a);
    if (b instanceof Entity) return entities.isIn(subject, b);
    if (!(b instanceof CedarSet)) return fail('expected an entity or a set of entities');
    const groups = b.items.map(entity);
    return groups.some((group) => entities.isIn(subject, group));
  });
}

function member(record: CedarRecord, name: string): Value {
  if (!Object.hasOwn(record, name)) return fail(`there is no ${name}`);
  return record[name] as Value;
}

const isContext = (expression: Expression) => expression['Var'] === 'context';

function attribute({ left, attr }: { left: Expression; attr: string }, known: Known): Node {
  if (isContext(left)) {
    if (attr === 'inspect') known.inspects?.(ALL);
    if (attr === 'call') known.measures?.();
    if (Object.hasOwn(known.context, attr)) return constant(known.context[attr] as Value);
    return { run: (context) => member(context, attr) };
  }
  return unary(isInspect(left) ? inspected(attr, known) : compile(left, known), (value) => {
    if (value instanceof Entity) {
      const found = known.entities.get(value);
      return found === undefined ? fail(`nothing is known of ${value.type}::${JSON.stringify(value.id)}`) : member(found.attributes, attr);
    }
    return isRecord(value) ? member(value, attr) : fail('expected a record or an entity');
  });
}

/** `context.inspect`, of which one member is looked at. */
function inspected(name: string, { inspects }: Known): Node {
  inspects?.(name);
  return { run: (context) => member(context, 'inspect') };
}

/** `e has a.b.c` means `e has a && e.a has b && e.a.b has c`. */
function has({ left, attr }: { left: Expression; attr: string | readonly string[] }, known: Known): Node {
  const path = typeof attr === 'string' ? [attr] : attr;
  let at = left;
  let result: Node | undefined;
  for (const name of path) {
    const step = hasOne(at, name, known);
    result = result === undefined ? step : both(result, step);
    at = { '.': { left: at, attr: name } };
  }
  return result as Node;
}

function hasOne(left: Expression, name: string, known: Known): Node {
  if (isContext(left) && Object.hasOwn(known.context, name)) return constant(true);
  return unary(isInspect(left) ? inspected(name, known) : compile(left, known), (value) => {
    if (value instanceof Entity) return Object.hasOwn(known.entities.get(value)?.attributes ?? {}, name);
    return isRecord(value) ? Object.hasOwn(value, name) : fail('expected a record or an entity');
  });
}

/** A uid as a value. */
export function entityFrom(uid: EntityUid | { readonly __entity: EntityUid }): Entity {
  const { type, id } = uidOf(uid);
  return new Entity(type, id);
}
