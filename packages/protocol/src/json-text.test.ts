import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonTextError, readJson, readJsonInPieces } from './json-text.ts';

const refusal = (text: string | Uint8Array): string => {
  try {
    readJson(text);
  } catch (error) {
    if (error instanceof JsonTextError) return error.message;
    throw error;
  }
  throw new Error('it was taken');
};

const BOUNDS = { depth: 8, members: 1_000, names: 100 };
const piecesOf = (text: string) => {
  let pieces = 1;
  const reading = readJsonInPieces(text, BOUNDS);
  for (let piece = reading.next(); piece.done !== true; piece = reading.next()) pieces += 1;
  return pieces;
};

describe('a JSON text with bounds', () => {
  test.each([
    ['nests deeper than 8 levels', '['.repeat(9) + ']'.repeat(9)],
    ['has more than 1000 members and items', `[${'[],'.repeat(600)}0]`],
    ['has more than 100 different names of members', `{${Array.from({ length: 200 }, (_, i) => `"k${i}":0`).join(',')}}`],
    // It is refused before it is parsed, so what comes behind is not looked at.
    ['has more than 1000 members and items', `[${'1,'.repeat(2_000)}`],
  ])('is refused if it %s', (why, text) => {
    expect(() => readJson(text, BOUNDS)).toThrow(why);
  });

  test('is read in pieces if it is long, and to the same value', () => {
    const long = JSON.stringify({ a: 'x'.repeat(3e6), b: Array(400).fill('\\"\n'.repeat(2_000)), c: [1.5, -0.5, 1e3, null, true] });
    expect(piecesOf('[1]')).toBe(1);
    expect(piecesOf(long)).toBeGreaterThan(3);
    expect(readJson(long, BOUNDS)).toEqual(JSON.parse(long));
  });
});

describe('a JSON text', () => {
  test('is read as JSON.parse reads it, whatever it holds', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(readJson(text)).toEqual(JSON.parse(text));
        expect(readJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('may begin with a byte order mark, as some editors write it', () => {
    expect(readJson('\uFEFF{"a":1}')).toEqual({ a: 1 });
    expect(readJson(Buffer.from('\uFEFF{"a":1}'))).toEqual({ a: 1 });
  });

  test('may use the names that objects of JavaScript have, as members of its own', () => {
    const value = readJson('{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}},"toString":"t","hasOwnProperty":1,"":0}');
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '']);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  test.each(['{"to":"a","to":"b"}', '[1,{"a":{"x":1 , "x" : 1}}]', '{"a":1,"\\u0061":2}', '{"__proto__":1,"__proto__":2}'])(
    'that names a member twice is refused, since readers disagree which of them counts: %s',
    (text) => expect(refusal(text)).toMatch(/^names .* twice in one object$/),
  );

  test('may say one name in several objects, and in strings', () => {
    const text = '[{"a":1},{"a":{"a":"a\\":\\"a"}},"{\\"a\\":1,\\"a\\":2}","\\\\",":"]';
    expect(readJson(text)).toEqual(JSON.parse(text));
  });

  test.each(['12345678901234567890', '9007199254740993', '-9007199254740993', '[{"id":1000000000000000000001}]'])(
    'with an integer that would become another one is refused: %s',
    (text) => expect(refusal(text)).toMatch(/would lose precision; write it as a string$/),
  );

  test.each(['9007199254740991', '9007199254740992', '-0', '0.1234567890123456789', '1e22', '"12345678901234567890"', '5e-324'])(
    'with a number that stays what it is is taken: %s',
    (text) => expect(readJson(text)).toEqual(JSON.parse(text)),
  );

  test('with a number that is too large for any is refused, which would become null', () => {
    expect(refusal('{"a":1e999}')).toBe('holds 1e999, which is larger than a number can be');
    expect(refusal(`{"a":${'9'.repeat(400)}}`)).toMatch(/larger than a number can be$/);
  });

  test('that is in another encoding is refused, and not read with other characters', () => {
    expect(refusal(Buffer.from('{"name":"G\u00fcnther"}', 'latin1'))).toBe('is not UTF-8');
    expect(refusal(Buffer.from('\uFEFF{"a":1}', 'utf16le'))).toBe('is not UTF-8');
  });

  test.each(['', '{a:1}', '{"a":1}}', "{'a':1}", '\uFEFF\uFEFF1', '[1,]'])('that is not JSON is refused: %j', (text) =>
    expect(refusal(text)).toMatch(/^is not valid JSON: /),
  );
});
