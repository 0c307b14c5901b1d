import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Blobs } from './blobs.ts';
import { decodeTexts, encodeTexts } from '../core/body.ts';
import { MasterKeys } from '../core/keys.ts';
import { migrate } from './schema.ts';
import { newKey } from '../core/seal.ts';
import { BLOB_BYTES, isLarge, payloads } from '../core/split.ts';
import { Sql } from './sql.ts';

function blobs(): { blobs: Blobs; count: () => number } {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const sql = new Sql(db);
  return {
    blobs: new Blobs(sql, new MasterKeys(new Map([[1, newKey()]]))),
    count: () => sql.get<{ n: number }>('SELECT count(*) AS n FROM blobs')?.n ?? 0,
  };
}
const OWNER = { tenant: 't', n: 1, seq: 1 };
const large = (fill: string) => fill.repeat(BLOB_BYTES);

/** JSON with payloads below and above the limit, in every place where they are cut out and in some where they are not. */
const json = fc.letrec((tie) => ({
  payload: fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }).map((text) => `${text}\\"{[`.repeat(700)),
    fc.array(fc.constantFrom('"', '\\', '}', 'ü', '😀'), { minLength: 3_000, maxLength: 5_000 }),
  ),
  node: fc.oneof(
    { maxDepth: 3 },
    fc.jsonValue(),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('kind', 'results', 'caps', 'a"b', 'val\\ue'), tie('node'), { maxKeys: 3 }),
    fc.dictionary(fc.constantFrom('input', 'value', 'body', 'output', 'data', 'text'), tie('payload'), { maxKeys: 2 }),
  ),
})).node;
const spelling = fc.constantFrom(undefined, 1, '\t ');
const text = fc.tuple(json, spelling).map(([value, space]) => JSON.stringify(value, undefined, space));

describe('large payloads', () => {
  test('come back as they were, byte by byte, whatever surrounds them', () => {
    const { blobs: store } = blobs();
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.oneof(text, fc.string({ maxLength: 9_000 })), { nil: undefined }), { minLength: 1, maxLength: 3 }),
        (texts) => {
          const split = store.split(texts, OWNER);
          const decoded = decodeTexts(encodeTexts(split.texts, split.cuts), texts.length);
          expect(decoded).toEqual({ texts: split.texts, cuts: split.cuts });
          expect(store.join(decoded.texts, decoded.cuts)).toEqual(texts);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('leave no text above the limit with a large payload in it, and are whole JSON values', () => {
    fc.assert(
      fc.property(text, (one) => {
        for (const { from, to } of payloads(one)) {
          expect(isLarge(one.slice(from, to))).toBe(true);
          expect(() => JSON.parse(one.slice(from, to)) as unknown).not.toThrow();
        }
        expect(payloads(one).length > 0).toBe(isLarge(one));
      }),
    );
  });

  test('are found under the names that deliveries and effects carry them by; otherwise the whole text is one', () => {
    const value = { deep: [large('x')] };
    const found = (one: unknown) => {
      const whole = JSON.stringify(one);
      return payloads(whole).map(({ from, to }) => whole.slice(from, to));
    };
    const piece = JSON.stringify(value);
    expect(found({ kind: 'start', at: 1, input: value, caps: {} })).toEqual([piece]);
    expect(
      found({
        kind: 'reply',
        results: [
          { id: 1, value },
          { id: 2, value: 1 },
          { id: 3, value },
        ],
      }),
    ).toEqual([piece, piece]);
    expect(
      found([
        { kind: 'finish', output: value },
        { kind: 'send', body: value },
      ]),
    ).toEqual([piece, piece]);
    expect(found({ reason: large('y') })).toEqual([JSON.stringify({ reason: large('y') })]);
    expect(payloads(`{"value":"${large('x')}`)).toEqual([{ from: 0, to: BLOB_BYTES + 10 }]);
  });

  test('begin just above the limit', () => {
    const at = (bytes: number) => payloads(JSON.stringify({ value: 'x'.repeat(bytes - 2), more: large('y') }))[0];
    expect(at(BLOB_BYTES)?.from).toBe(0);
    expect(at(BLOB_BYTES + 1)?.from).toBe('{"value":'.length);
    expect(isLarge('€'.repeat(BLOB_BYTES / 3))).toBe(false);
    expect(isLarge('€'.repeat(BLOB_BYTES / 3 + 1))).toBe(true);
  });

  test('are kept once, for as long as an entry refers to them', () => {
    const { blobs: store, count } = blobs();
    const texts = [JSON.stringify({ value: large('x') })];
    const other = [JSON.stringify({ value: large('z') })];
    for (const seq of [0, 1, 2]) store.split(texts, { tenant: 't', n: 1, seq });
    store.split(texts, { tenant: 't', n: 2, seq: 1 });
    store.split(other, { tenant: 't', n: 1, seq: 2 });
    expect(count()).toBe(2);
    expect(store.release(1, 1)).toMatchObject({ blobs: 1 });
    expect(store.release(2, 0)).toMatchObject({ blobs: 0 });
    expect(count()).toBe(1);
    expect(store.release(1, 0)).toMatchObject({ blobs: 1 });
    expect(count()).toBe(0);
  });

  test('of another tenant have another id and another key', () => {
    const { blobs: store } = blobs();
    const texts = [JSON.stringify({ value: large('x') })];
    const [one] = store.split(texts, OWNER).cuts;
    const [two] = store.split(texts, { ...OWNER, tenant: 'u' }).cuts;
    expect(one?.id).not.toBe(two?.id);
    expect(one?.key).not.toBe(two?.key);
  });
});
