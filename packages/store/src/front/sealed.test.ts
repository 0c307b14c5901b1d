/** Texts of the host under its key ring. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MasterKeys } from '../core/keys.ts';
import { FrontDatabase } from './database.ts';
import { SealedRows } from './sealed.ts';

const folder = mkdtempSync(join(tmpdir(), 'crl-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const ring = (...versions: readonly number[]) =>
  new MasterKeys(new Map(versions.map((version) => [version, new Uint8Array(32).fill(version)])));
const db = new FrontDatabase(folder);
const rows = (...versions: readonly number[]) => new SealedRows(db, () => ring(...versions));
const SECRET = 'canary-9d31';

test('a text comes back as it was put, is in no file, and is gone once it was removed', () => {
  const sealed = rows(1);
  expect(sealed.get('a')).toBeUndefined();
  sealed.put('a', SECRET);
  expect(sealed.get('a')).toBe(SECRET);
  for (const file of ['front.db', 'front.db-wal']) expect(readFileSync(join(folder, file), 'latin1')).not.toContain(SECRET);
  sealed.put('a', 'another');
  expect(sealed.get('a')).toBe('another');
  sealed.remove('a');
  expect(sealed.get('a')).toBeUndefined();
});

test('it opens at its own place, with its own bytes and under its own key alone', () => {
  const sealed = rows(1);
  sealed.put('a', SECRET);
  db.run('INSERT INTO sealed (name, key_version, key, text) SELECT ?, key_version, key, text FROM sealed WHERE name = ?', 'b', 'a');
  expect(() => sealed.get('b')).toThrow(Error);
  expect(() => rows(2).get('a')).toThrow(expect.objectContaining({ code: 'CORRAL_KEYS_MISSING' }));
  // A ring with a newer key opens it, and seals with the newer one from then on.
  const newer = rows(2, 1);
  expect(newer.get('a')).toBe(SECRET);
  newer.put('a', 'again');
  expect(rows(2).get('a')).toBe('again');
  db.run("UPDATE sealed SET text = X'00' WHERE name = 'a'");
  expect(() => newer.get('a')).toThrow(Error);
});
