/**
 * The prelude repeats some tables of the protocol, so that texts and schemas need not be in every isolate; these tests check that
 * both agree.
 */
import { describe, expect, test } from 'vitest';
import { jsonSchemaOf } from '@corral/protocol/api/json-schema';
import { Effect } from '@corral/protocol/wire/effect';
import { ERRORS } from '@corral/protocol/errors';
import { JSON_MAX_DEPTH } from '@corral/protocol/json';
import { BUDGETS, MACHINE } from '@corral/protocol/limits';
import { RIGHTS } from '@corral/protocol/model/grant';
import { BOUNDS, BUDGET_BOUNDS } from './bounds.ts';
import { guestClasses, guestHints } from './errors.ts';

test('hints and classes of errors are those of the table', () => {
  const hints = guestHints();
  const classes = guestClasses();
  const said = Object.entries(hints).map(([code, hint]) => ({ code, hint, class: classes[code as keyof typeof hints] }));
  const rows: Readonly<Record<string, { readonly hint: string; readonly class?: string }>> = ERRORS;
  expect(said).toEqual(said.map(({ code }) => ({ code, hint: rows[code]?.hint, class: rows[code]?.class })));
});

test('bounds are those of the limits', () => {
  expect(BOUNDS).toMatchObject({
    retry_attempts: MACHINE.retry_attempts.max,
    message_slots: MACHINE.message_slots.max,
    handle_slots: MACHINE.handle_slots.max,
    predicates: MACHINE.predicates_per_grant.max,
    timer_ms: MACHINE.timer_ms.max,
  });
  expect(BUDGET_BOUNDS).toEqual(Object.fromEntries(Object.entries(BUDGETS).map(([name, { min, max }]) => [name, [min, max]])));
});

type Bounds = Readonly<Record<string, number>>;
const NARROWED: Bounds = {
  'caps.*.where.{}': BOUNDS.argument_characters,
  'caps.*.where.*.in': BOUNDS.predicate_values,
  'caps.*.where.*.under': BOUNDS.predicate_characters,
  'caps.*.where.*.prefix': BOUNDS.predicate_characters,
  'caps.*.rights': RIGHTS.length,
  'caps.*.passes': RIGHTS.length,
  'caps.*.rate.per_minute': BOUNDS.uses_per_minute,
};
/** By kind of effect: the bound of each member that has one. The SDK checks it, or the prelude writes the member itself. */
const BOUNDED: Readonly<Record<Effect['kind'], Bounds>> = {
  call: { 'retry.attempts': BOUNDS.retry_attempts, reason: BOUNDS.reason_characters },
  send: NARROWED,
  // Written by the prelude: the id of a run, a colon and a number.
  reply: { to: 64 },
  spawn: {
    agent: BOUNDS.agent_characters,
    ...NARROWED,
    ...Object.fromEntries(Object.entries(BUDGET_BOUNDS).map(([name, [, most]]) => [`budget.${name}`, most])),
  },
  timer: {},
  abort: {},
  pull: {},
  dispose: {},
  listen: {},
  emit: { event: BOUNDS.event_characters },
  log: {},
  open: { at: JSON_MAX_DEPTH },
  drop: {},
  checkpoint: {},
  // Left out by the prelude if it is longer.
  finish: { 'error.code': 64, 'error.limit': 64 },
};

/** The keywords of JSON Schema that bounds are looked for in. */
interface Schema {
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly propertyNames?: unknown;
  readonly additionalProperties?: unknown;
  readonly items?: unknown;
  readonly anyOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
  readonly allOf?: readonly unknown[];
}

/** The bounds in a JSON Schema, by path. Handles are left out: the prelude makes their list. */
function boundsIn(schema: Schema, path = ''): [string, number][] {
  const under = (name: string) => (path === '' ? name : `${path}.${name}`);
  const inner = (part: unknown, at: string) => (typeof part === 'object' && part !== null ? boundsIn(part, at) : []);
  const most = schema.maxLength ?? schema.maxItems ?? schema.maximum ?? Number.MAX_SAFE_INTEGER;
  return [
    ...(most === Number.MAX_SAFE_INTEGER ? [] : [[path, most] as [string, number]]),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, part]) => (name === 'handles' ? [] : inner(part, under(name)))),
    ...inner(schema.propertyNames, under('{}')),
    ...inner(schema.additionalProperties, under('*')),
    ...inner(schema.items, `${path}[]`),
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].flatMap((part) => inner(part, path)),
  ];
}

test.each(Object.entries(BOUNDED))('every bound of the effect %s is known to the prelude', (kind, bounds) => {
  const option = Effect.options.find(({ shape }) => shape.kind.value === kind);
  expect(Object.fromEntries(boundsIn(jsonSchemaOf(option as (typeof Effect.options)[number])))).toEqual(bounds);
});

describe('what is at a bound is taken, and what is beyond it is not:', () => {
  const call = { kind: 'call', id: 1, cap: 1, input: {} };
  const send = (terms: object, alias = 'a') => ({ kind: 'send', id: 1, cap: 1, body: 1, caps: { [alias]: { cap: 1, ...terms } } });
  const spawn = (more: object) => ({ kind: 'spawn', id: 1, agent: 'a', input: 1, caps: {}, budget: {}, ...more });
  const x = (length: number) => 'x'.repeat(length);
  test.each<[string, number, (bound: number) => object]>([
    ['retry', BOUNDS.retry_attempts, (attempts) => ({ ...call, retry: { attempts } })],
    ['reason', BOUNDS.reason_characters, (length) => ({ ...call, reason: x(length) })],
    ['event', BOUNDS.event_characters, (length) => ({ kind: 'emit', event: x(length), data: 1 })],
    ['agent', BOUNDS.agent_characters, (length) => spawn({ agent: x(length) })],
    ['alias', BOUNDS.alias_characters, (length) => send({}, x(length))],
    ['prefix', BOUNDS.predicate_characters, (length) => send({ where: { a: { prefix: x(length) } } })],
    ['under', BOUNDS.predicate_characters, (length) => send({ where: { a: { under: x(length) } } })],
    ['argument', BOUNDS.argument_characters, (length) => send({ where: { [x(length)]: { equals: 1 } } })],
    ['values', BOUNDS.predicate_values, (length) => send({ where: { a: { in: Array.from({ length }, () => 1) } } })],
    ['rate', BOUNDS.uses_per_minute, (per_minute) => send({ rate: { per_minute } })],
    ...Object.entries(BUDGET_BOUNDS).map(([name, [, most]]): [string, number, (bound: number) => object] => [
      name,
      most,
      (amount) => spawn({ budget: { [name]: amount } }),
    ]),
  ])('%s', (_, bound, make) => {
    expect([Effect.safeParse(make(bound)).success, Effect.safeParse(make(bound + 1)).success]).toEqual([true, false]);
  });
});
