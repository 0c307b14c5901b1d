import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joined, MissingPayload, type Piece, Splitter } from '../core/blobs.ts';
import { decodeTexts, encodeTexts, type Texts } from '../core/body.ts';
import type { BlobRows } from '../core/engine.ts';
import { MasterKeys } from '../core/keys.ts';
import { newKey } from '../core/seal.ts';
import { CUT_BYTES } from '../core/cutting.ts';
import { BLOB_BYTES, isLarge, payloads } from '../core/split.ts';
import { countUnreferenced, referredBy, releaseBlobs } from './blobs.ts';
import { Blobs } from './rows-registry.ts';
import { migrate } from './schema.ts';
import { Sql } from './sql.ts';

interface Kept {
  readonly rows: BlobRows;
  readonly sql: Sql;
  readonly splitter: Splitter;
  /** Keeps a payload with all its parts. */
  readonly put: (piece: Piece, tenant?: string) => void;
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
  const put = (piece: Piece, tenant = 't') => {
    if (rows.has(piece.id)) return;
    for (const part of piece.parts) put(part, tenant);
    const parts = [...new Set(piece.parts.map(({ id }) => id))];
    rows.put({ id: piece.id, tenant, data: splitter.sealed(piece), parts }, 1);
  };
  return {
    rows,
    sql,
    splitter,
    put,
    count: () => sql.get<{ n: number }>('SELECT count(*) AS n FROM blobs')?.n ?? 0,
    keep: (texts, n, seq) => {
      for (const piece of splitter.split(texts, 't').pieces) {
        put(piece);
        rows.refer(n, seq, piece.id);
      }
    },
    release: (n, fromSeq) => releaseBlobs(sql, n, fromSeq),
  };
}
const large = (fill: string) => fill.repeat(BLOB_BYTES);

/** Words that no two places have in common, the same for the same number. */
function words(of: number, length = 200): string {
  let state = of + 1;
  let all = '';
  while (all.length < length) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    all += `${(state >>> 0).toString(36)} `;
  }
  return all.slice(0, length);
}
const message = (of: number, length?: number) => ({ role: 'user', content: [{ type: 'text', text: words(of, length) }] });
const conversation = (count: number) => Array.from({ length: count }, (_, i) => message(i));

/** JSON with payloads below and above the limit, in every place where they are cut out and in some where they are not. */
const json = fc.letrec((tie) => ({
  payload: fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }).map((text) => `${text}\\"{[`.repeat(700)),
    fc.array(fc.constantFrom('"', '\\', '}', 'ü', '😀'), { minLength: 3_000, maxLength: 5_000 }),
    // Long enough for several levels of parts, now and then.
    fc.tuple(fc.constantFrom('x', 'ü', '😀 \\'), fc.nat(200_000)).map(([one, count]) => one.repeat(count)),
    fc.nat(3_000).map((count) => conversation(count)),
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
    const { rows, splitter, put } = blobs();
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.oneof(text, fc.string({ maxLength: 9_000 })), { nil: undefined }), { minLength: 1, maxLength: 3 }),
        (texts) => {
          const split = splitter.split(texts, 't');
          for (const piece of split.pieces) put(piece);
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

describe('the parts of a payload', () => {
  const effects = (prompt: unknown) => JSON.stringify([{ kind: 'call', cap: 1, input: { prompt }, id: 1 }]);
  const sizes = ({ sql }: Kept) => sql.get<{ n: number }>('SELECT coalesce(sum(length(data)), 0) AS n FROM blobs')?.n ?? 0;

  /** Stores a conversation 60 times, changed in between. @returns the bytes stored, and those of the text that was new */
  function stored(begin: unknown[], change: (prompt: unknown[], i: number) => unknown) {
    const kept = blobs();
    const prompt = begin;
    let unique = JSON.stringify(begin).length;
    for (let i = 0; i < 60; i++) {
      unique += JSON.stringify(change(prompt, 100_000 + i)).length;
      kept.keep([effects(prompt)], 1, i);
    }
    return { bytes: sizes(kept), unique };
  }

  test.each<[string, unknown[], (prompt: unknown[], i: number) => unknown]>([
    ['grows by small messages', conversation(2_000), (prompt, i) => prompt[prompt.push(message(i)) - 1]],
    ['grows from nothing', [], (prompt, i) => prompt[prompt.push(message(i, 8_000)) - 1]],
    ['has long messages', Array.from({ length: 20 }, (_, i) => message(i, 40_000)), (prompt, i) => prompt[prompt.push(message(i)) - 1]],
    ['has one text that stays', [message(1, 800_000)], (prompt, i) => prompt[prompt.push(message(i)) - 1]],
    [
      'loses its oldest messages',
      conversation(2_000),
      (prompt, i) => {
        prompt.splice(1, 2);
        return prompt[prompt.push(message(i)) - 1];
      },
    ],
    [
      'is edited in the middle',
      conversation(2_000),
      (prompt, i) => {
        prompt[(i * 7919) % 2_000] = message(i);
        return message(i);
      },
    ],
  ])('are stored once for a conversation that %s: at most three times its unique text', (_, begin, change) => {
    const { bytes, unique } = stored(begin, change);
    expect(bytes).toBeGreaterThan(unique);
    // Where the cuts are follows from a secret that each test draws: one draw took 2.24 times where the oldest messages are lost.
    expect(bytes).toBeLessThan(3 * unique);
  });

  test('are shared by runs of a tenant, and go with the last payload that lists them', () => {
    const { keep, release, count, sql, rows, splitter } = blobs();
    const [older, newer] = [conversation(1_000), conversation(1_010)].map(effects) as [string, string];
    keep([older], 1, 1);
    const alone = count();
    keep([newer], 2, 1);
    const both = count();
    expect(both).toBeLessThan(alone + 30);
    const leaving = (run: number) => {
      const released = { sql: 'run = ?', values: [run] };
      return countUnreferenced(sql, [referredBy(released)], released);
    };
    for (const run of [1, 2]) {
      const left = count();
      const counted = leaving(run);
      expect(counted.blobs).toBeGreaterThan(0);
      expect(release(run, 0)).toEqual(counted);
      expect(count()).toBe(left - counted.blobs);
      if (run === 2) continue;
      const { texts, cuts } = splitter.split([newer], 't');
      expect(joined(rows, texts, cuts)).toEqual([newer]);
      const gone = splitter.split([older], 't');
      expect(() => joined(rows, gone.texts, gone.cuts)).toThrow(MissingPayload);
    }
    expect([count(), sql.get<{ n: number }>('SELECT count(*) AS n FROM parts')?.n]).toEqual([0, 0]);
  });

  test('are missed where one is gone, and are found out where one was changed or stands in the place of another', () => {
    const { keep, sql, rows, splitter } = blobs();
    const text = effects(conversation(500));
    keep([text], 1, 1);
    const { texts, cuts } = splitter.split([text], 't');
    const read = () => joined(rows, texts, cuts);
    expect(read()).toEqual([text]);
    const all = sql.all<{ b: number; data: Uint8Array }>('SELECT b, data FROM blobs ORDER BY length(data)');
    expect(all.length).toBeGreaterThan(20);
    for (const { b, data } of all) {
      sql.run('UPDATE blobs SET data = ? WHERE b = ?', Buffer.concat([data.subarray(0, -1), Buffer.of((data.at(-1) as number) ^ 1)]), b);
      expect(read).toThrow('whose bytes were changed');
      sql.run('UPDATE blobs SET data = ? WHERE b = ?', data, b);
    }
    const [one, two] = all as [(typeof all)[0], (typeof all)[0]];
    sql.run('UPDATE blobs SET data = ? WHERE b = ?', one.data, two.b);
    expect(read).toThrow('whose bytes were changed');
    sql.run('DELETE FROM blobs WHERE b = ?', two.b);
    expect(read).toThrow('that is gone');
  });

  test('are cut elsewhere for another tenant, so that their lengths say nothing to one who has the text', () => {
    const { splitter } = blobs();
    const text = effects(conversation(500));
    const lengths = (tenant: string) => {
      const [root] = splitter.split([text], tenant).pieces;
      const leaves = ({ bytes, parts }: Piece): number[] => (parts.length === 0 ? [bytes.length] : parts.flatMap((part) => leaves(part)));
      return leaves(root as Piece);
    };
    expect(lengths('t')).toEqual(lengths('t'));
    expect(lengths('t')).not.toEqual(lengths('u'));
    const same = lengths('u').filter((length) => lengths('t').includes(length));
    expect(same.length).toBeLessThan(lengths('t').length / 2);
  });

  test('begin above 8 KiB; payloads of earlier journals, of which none was cut, are read as they are', () => {
    const { rows, splitter, put, sql } = blobs();
    const sized = (length: number) => effects('x'.repeat(length));
    const heights = [5_000, CUT_BYTES - 20, CUT_BYTES].map((length) => splitter.split([sized(length)], 't').cuts[0]?.height);
    expect(heights).toEqual([0, 0, 1]);
    const { texts, cuts, pieces } = splitter.split([sized(5_000)], 't');
    for (const piece of pieces) put(piece);
    // The form of an entry that refers to whole payloads only: id and key, and no height.
    expect(encodeTexts(texts, cuts).toString()).toMatch(/\[\[0,\d+,"[\w-]{43}","[\w-]{43}"\]\]$/);
    expect(joined(rows, texts, cuts)).toEqual([sized(5_000)]);
    expect(sql.get<{ n: number }>('SELECT count(*) AS n FROM parts')?.n).toBe(0);
  });
});
