/**
 * Every operator and function on every pair of significant values, known beforehand and from the context, compared with the
 * engine.
 */
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { describe, expect, test } from 'vitest';
import { compile } from './compile.ts';
import type { CedarJson, EntityJson, Expression } from './engine.ts';
import { Entities, valueFrom } from './entities.ts';
import { Datetime, Decimal, Duration, IpAddress } from './extension.ts';
import { CedarSet, Entity, EvaluationError, type CedarRecord, type Value } from './value.ts';

const uid = (type: string, id: string) => ({ type, id });
const ENTITIES: EntityJson[] = [
  { uid: uid('Person', 'ana'), attrs: { age: 7 }, tags: { level: 3 }, parents: [uid('Role', 'buyer')] },
  { uid: uid('Role', 'buyer'), attrs: {}, parents: [uid('Role', 'staff')] },
  { uid: uid('Role', 'staff'), attrs: {}, parents: [] },
];
const CONTEXT: Record<string, CedarJson> = {
  yes: true,
  no: false,
  one: 1,
  most: Number.MAX_SAFE_INTEGER,
  text: 'a*b',
  ana: { __entity: uid('Person', 'ana') },
  list: [1, 'a*b', 1, { __entity: uid('Role', 'staff') }],
  long: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, { __entity: uid('Role', 'staff') }, [1]],
  record: { one: 1, deep: { text: 'x' } },
};

/** A value as Cedar's text. */
function written(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof Entity) return `${value.type}::${JSON.stringify(value.id)}`;
  if (value instanceof CedarSet) return `[${value.items.map(written).join(', ')}]`;
  if (value instanceof Decimal) return `decimal("${value.toString()}")`;
  if (value instanceof Duration) return `duration("${value.toString()}")`;
  if (value instanceof Datetime) return `datetime("1970-01-01").offset(duration("${value.ms}ms"))`;
  if (value instanceof IpAddress) return `ip("${value.toString()}")`;
  return `{${Object.entries(value)
    .map(([name, one]) => `${JSON.stringify(name)}: ${written(one)}`)
    .join(', ')}}`;
}

function ours(text: string): Value | undefined {
  const answer = cedar.policyToJson(`forbid (principal, action, resource) when { (${text}) == 0 };`);
  if (answer.type === 'failure') throw new Error(`${text}: ${answer.errors[0]?.message}`);
  const body = answer.json.conditions[0]?.body as unknown as { '==': { left: Expression } };
  const ana = new Entity('Person', 'ana');
  const known = { principal: ana, action: ana, resource: ana, entities: new Entities(ENTITIES), context: {} };
  try {
    const node = compile(body['=='].left, known);
    return 'value' in node ? node.value : node.run(valueFrom(CONTEXT) as CedarRecord);
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}

/** For each text: whether the engine finds Corral's value equal to its own, or fails where Corral does. One call compares all. */
function disagreements(texts: readonly string[]): string[] {
  const values = texts.map(ours);
  const staticPolicies = Object.fromEntries(
    texts.map((text, i) => {
      const value = values[i];
      return [`p${i}`, `forbid (principal, action, resource) when { (${text}) == ${value === undefined ? '0' : written(value)} };`];
    }),
  );
  const ana = uid('Person', 'ana');
  const answer = cedar.isAuthorized({
    principal: ana,
    action: uid('Action', 'a'),
    resource: ana,
    context: CONTEXT,
    entities: ENTITIES,
    policies: { staticPolicies },
  });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors[0]));
  const { reason, errors } = answer.response.diagnostics;
  const [equal, failed] = [new Set(reason), new Set(errors.map(({ policyId }) => policyId))];
  return texts
    .filter((_, i) => (values[i] === undefined ? !failed.has(`p${i}`) : !equal.has(`p${i}`)))
    .map((text) => `${text} is not ${written(ours(text) ?? 'an error')}`);
}

const pairs = <T>(a: readonly T[], b: readonly T[], write: (a: T, b: T) => string) => a.flatMap((x) => b.map((y) => write(x, y)));
const LITERALS = [
  'true',
  'false',
  '1',
  '"a*b"',
  'Person::"ana"',
  'Role::"staff"',
  'Role::"nobody"',
  '[]',
  '[1]',
  '[1, "a*b", Role::"staff"]',
  '{"one": 1}',
  'decimal("1.0")',
  'datetime("2024-01-01")',
  'duration("1h")',
];
const OPERANDS = [...Object.keys(CONTEXT).map((name) => `context.${name}`), ...LITERALS];
const BOTH_WAYS = OPERANDS.filter((_, i) => i % 2 === 0);

const IPS = [
  '10.0.0.1',
  '10.0.0.0/8',
  '10.0.0.1/8',
  '127.0.0.1',
  '127.0.0.0/8',
  '127.0.0.0/7',
  '224.0.0.1',
  '224.0.0.0/4',
  '224.0.0.0/3',
  '240.0.0.0',
  '0.0.0.0/0',
  '255.255.255.255',
  '::1',
  '::1/127',
  '::/0',
  'ff00::/8',
  'ff00::/7',
  'ff02::1',
  '1:2:3:4:5:6:7:8',
  '::ffff:1.2.3.4',
  '1.2.3',
  '01.2.3.4',
  '256.1.1.1',
  '1.2.3.4/33',
  '1.2.3.4/08',
  '1::2::3',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '::1/129',
  '::1/0128',
  '2001:DB8::a/32',
  '12345::',
  ':::',
  '1.2.3.4/',
  '',
  ' 1.2.3.4',
  '1.2.3.4/+8',
  '::/1',
];
const DECIMALS = [
  '0.0',
  '-0.0',
  '1.5',
  '1.5000',
  '-1.5',
  '00.1',
  '1',
  '1.',
  '.5',
  '1.00001',
  '+1.0',
  '922337203685477.5807',
  '922337203685477.5808',
  '-922337203685477.5808',
  '-922337203685477.5809',
  '1.5 ',
];
const DATETIMES = [
  '2024-01-01',
  '1970-01-01',
  '2024-02-29',
  '2023-02-29',
  '1900-02-29',
  '2000-02-29',
  '2024-01-01T12:30:00Z',
  '2024-01-01T12:30:00.123Z',
  '2024-01-01T12:30:00+0130',
  '2024-01-01T12:30:00.999-2359',
  '2024-01-01T12:30:00.5Z',
  '2024-01-01T24:00:00Z',
  '0000-01-01',
  '0099-12-31',
  '9999-12-31T23:59:59.999-2359',
  '1969-12-31T23:59:59.999Z',
  '2024-13-01',
  '2024-00-01',
  '2024-01-32',
  '2024-01-01T00:00:00+2400',
  '2024-01-01T00:00:00+2360',
  '2024-01-01T23:59:60Z',
  '2024-1-1',
  '2024-01-01T00:00:00',
  '2024-01-01Z',
  '2024-01-01t00:00:00z',
  '2024-01-01T00:00:00+01:00',
  '',
];
const DURATIONS = [
  '1h',
  '-1h',
  '1d2h3m4s5ms',
  '5ms',
  '0s',
  '-5ms',
  '1m1h',
  '',
  '-',
  '1',
  '106751991167d',
  '106751991168d',
  '-106751991168d',
  '9223372036854775807ms',
  '-9223372036854775808ms',
  '9223372036854775808ms',
  '1d1d',
  '36h',
  '90m',
  '-90m',
  '+1h',
  '1h ',
  '007h',
  '1 h',
  '1.5h',
];
const LONGS = [
  '0',
  '1',
  '-1',
  '2',
  '4294967296',
  '3037000500',
  '9007199254740991',
  '-9007199254740991',
  'context.most',
  '(9007199254740991 * 1024 + 1023)',
  '(-9007199254740991 * 1024 - 1024)',
];
const PATTERNS = ['', '*', 'a*', '*b', 'a*b', String.raw`a\*b`, 'ab*ba', '*ab*ba*', 'a*a*a', '**', 'é*', '*😀', String.raw`\*`, 'a*X*Xc'];
const STRINGS = ['', 'a', 'ab', 'a*b', 'aba', 'abba', 'abab', 'aa', 'aaa', 'é', 'é😀', '*', 'aXbXc', 'aXc', 'b'];

describe('operators and functions are those of Cedar', () => {
  test.each(['==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '&&', '||', 'in'])('%s', (operator) => {
    expect(disagreements(pairs(OPERANDS, OPERANDS, (a, b) => `(${a}) ${operator} (${b})`))).toEqual([]);
  });

  test.each(['contains', 'containsAll', 'containsAny', 'getTag', 'hasTag', 'lessThan', 'offset', 'durationSince', 'isInRange'])(
    '.%s()',
    (method) => {
      expect(disagreements(pairs([...OPERANDS, '"level"'], [...OPERANDS, '"level"'], (a, b) => `(${a}).${method}(${b})`))).toEqual([]);
    },
  );

  test('those of one operand, and those with a name in them', () => {
    const forms = [
      '!X',
      '-X',
      '(X).isEmpty()',
      '(X).one',
      '(X).age',
      '(X) has one',
      '(X) has deep.text',
      '(X) has one.more',
      '(X) has age',
      '(X) is Person',
      '(X) is Person in Role::"staff"',
      '(X) is Person in context.one',
      '(X).toDate()',
      '(X).toDays()',
      '(X).isIpv4()',
      'decimal(X)',
      'ip(X)',
      '(X) like "a*"',
      '[X]',
      '{"x": X}',
      '{"x": X}.x',
      '(X) in [Role::"staff", Role::"nobody"]',
      '(X) in [Role::"nobody", 1]',
    ];
    expect(disagreements(forms.flatMap((form) => OPERANDS.map((operand) => form.replaceAll('X', `(${operand})`))))).toEqual([]);
  });

  test('if, whatever its parts are', () => {
    expect(
      disagreements(
        BOTH_WAYS.flatMap((test) =>
          pairs(['1', 'context.nope'], ['context.text', 'context.nope'], (a, b) => `if (${test}) then ${a} else ${b}`),
        ),
      ),
    ).toEqual([]);
  });

  test('arithmetic, to the edge of 64 bits and over it', () => {
    const texts = ['+', '-', '*'].flatMap((operator) => pairs(LONGS, LONGS, (a, b) => `(${a}) ${operator} (${b})`));
    expect(disagreements([...texts, ...LONGS.map((one) => `-(${one})`), ...pairs(LONGS, LONGS, (a, b) => `(${a}) < (${b})`)])).toEqual([]);
  });

  test('like', () => {
    expect(disagreements(pairs(STRINGS, PATTERNS, (text, pattern) => `"${text}" like "${pattern}"`))).toEqual([]);
  });

  test('addresses', () => {
    const methods = ['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'].flatMap((name) => IPS.map((text) => `ip("${text}").${name}()`));
    expect(
      disagreements([
        ...methods,
        ...pairs(IPS, IPS, (a, b) => `ip("${a}").isInRange(ip("${b}"))`),
        ...pairs(IPS, IPS, (a, b) => `ip("${a}") == ip("${b}")`),
      ]),
    ).toEqual([]);
  });

  test('decimals', () => {
    const compared = ['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'].flatMap((name) =>
      pairs(DECIMALS, DECIMALS, (a, b) => `decimal("${a}").${name}(decimal("${b}"))`),
    );
    expect(disagreements([...compared, ...DECIMALS.map((text) => `decimal("${text}")`)])).toEqual([]);
  });

  test('datetimes and durations', () => {
    const whole = ['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'].flatMap((name) =>
      DURATIONS.map((text) => `duration("${text}").${name}()`),
    );
    const moved = pairs(DATETIMES, DURATIONS, (a, b) => `datetime("${a}").offset(duration("${b}"))`);
    const parts = [...DATETIMES.map((text) => `datetime("${text}")`), ...moved.filter((_, i) => i % 3 === 0)].flatMap((text) => [
      `${text}.toDate()`,
      `${text}.toTime()`,
    ]);
    const apart = pairs(DATETIMES, DATETIMES, (a, b) => `datetime("${a}").durationSince(datetime("${b}"))`);
    expect(disagreements([...whole, ...moved, ...parts, ...apart])).toEqual([]);
  });
});
