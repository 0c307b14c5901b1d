import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joined, Splitter } from '../core/blobs.ts';
import { decodeTexts, encodeTexts, type Texts } from '../core/body.ts';
import type { BlobRows } from '../core/engine.ts';
import { MasterKeys } from '../core/keys.ts';
import { newKey } from '../core/seal.ts';
import { BLOB_BYTES, isLarge, payloads } from '../core/split.ts';
import { releaseBlobs } from './blobs.ts';
import { Blobs } from './rows-registry.ts';
import { migrate } from './schema.ts';
import { Sql } from './sql.ts';

interface Kept {
  readonly rows: BlobRows;
  readonly splitter: Splitter;
  readonly count: () => number;
  /** Splits texts and keeps what was cut out, for an entry of a run. */
  readonly keep: (texts: Texts, n: number, seq: number) => void;
  readonly release: (n: number, fromSeq: number) => { readonly blobs: number };
}

function blobs(): Kept {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const sql = new Sql(db);
  const rows = new Blobs(sql);
  const splitter = new Splitter(new MasterKeys(new Map([[1, newKey()]])));
  return {
    rows,
    splitter,
    count: () => sql.get<{ n: number }>('SELECT count(*) AS n FROM blobs')?.n ?? 0,
    keep: (texts, n, seq) => {
      for (const piece of splitter.split(texts, 't').pieces) {
        rows.put({ id: piece.id, tenant: 't', data: splitter.sealed(piece) }, 1);
        rows.refer(n, seq, piece.id);
      }
    },
    release: (n, fromSeq) => releaseBlobs(sql, n, fromSeq),
  };
}
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
    const { rows, splitter } = blobs();
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.oneof(text, fc.string({ maxLength: 9_000 })), { nil: undefined }), { minLength: 1, maxLength: 3 }),
        (texts) => {
          const split = splitter.split(texts, 't');
          for (const piece of split.pieces) rows.put({ id: piece.id, tenant: 't', data: splitter.sealed(piece) }, 1);
          const decoded = decodeTexts(encodeTexts(split.texts, split.cuts), texts.length);
          expect(decoded).toEqual({ texts: split.texts, cuts: split.cuts });
          expect(joined(rows, decoded.texts, decoded.cuts)).toEqual(texts);
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
    const { keep, release, count } = blobs();
    const texts = [JSON.stringify({ value: large('x') })];
    const other = [JSON.stringify({ value: large('z') })];
    for (const seq of [0, 1, 2]) keep(texts, 1, seq);
    keep(texts, 2, 1);
    keep(other, 1, 2);
    expect(count()).toBe(2);
    expect(release(1, 1)).toMatchObject({ blobs: 1 });
    expect(release(2, 0)).toMatchObject({ blobs: 0 });
    expect(count()).toBe(1);
    expect(release(1, 0)).toMatchObject({ blobs: 1 });
    expect(count()).toBe(0);
  });

  test('of another tenant have another id and another key', () => {
    const { splitter } = blobs();
    const texts = [JSON.stringify({ value: large('x') })];
    const [one] = splitter.split(texts, 't').cuts;
    const [two] = splitter.split(texts, 'u').cuts;
    expect(one?.id).not.toBe(two?.id);
    expect(one?.key).not.toBe(two?.key);
  });
});
