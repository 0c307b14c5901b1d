/**
 * The prelude repeats some tables of the protocol, so that texts and schemas need not be in every isolate; these tests check that
 * both agree.
 */
import { describe, expect, test } from 'vitest';
import { Effect } from '@corral/protocol/wire/effect';
import { ERRORS } from '@corral/protocol/errors';
import { BUDGETS, MACHINE } from '@corral/protocol/limits';
import { BOUNDS, BUDGET_BOUNDS } from './bounds.ts';
import { GUEST_CLASSES, GUEST_HINTS } from './errors.ts';

test('hints and classes of errors are those of the table', () => {
  const said = Object.entries(GUEST_HINTS).map(([code, hint]) => ({ code, hint, class: GUEST_CLASSES[code as keyof typeof GUEST_HINTS] }));
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
