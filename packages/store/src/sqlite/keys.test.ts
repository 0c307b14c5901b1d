import { expect, test } from 'vitest';
import { MasterKeys, parseMasterKeys } from '../core/keys.ts';
import { newKey } from '../core/seal.ts';

const base64 = (byte: number) => Buffer.alloc(32, byte).toString('base64');

test('a wrapped key opens for its tenant and its purpose alone', () => {
  const ring = new MasterKeys(new Map([[1, newKey()]]));
  const key = newKey();
  const wrapped = ring.wrap('t', key, 'run_1');
  expect(Buffer.from(ring.unwrap('t', wrapped, 'run_1')).equals(key)).toBe(true);
  expect(() => ring.unwrap('u', wrapped, 'run_1')).toThrow(Error);
  expect(() => ring.unwrap('t', wrapped, 'run_2')).toThrow(Error);
  expect(() => ring.unwrap('t', { ...wrapped, version: 2 }, 'run_1')).toThrow(
    expect.objectContaining({ code: 'CORRAL_KEYS_MISSING' }) as Error,
  );
});

test('the first of several master keys wraps, and the others still open', () => {
  const old = parseMasterKeys(base64(1));
  const wrapped = old.wrap('t', newKey(), 'r');
  const both = parseMasterKeys(`2:${base64(2)}, 1:${base64(1)}`);
  expect(both.unwrap('t', wrapped, 'r')).toEqual(old.unwrap('t', wrapped, 'r'));
  expect(both.wrap('t', newKey(), 'r').version).toBe(2);
  expect(both.fingerprints().get(1)).toBe(old.fingerprints().get(1));
  expect(both.fingerprints().get(2)).not.toBe(old.fingerprints().get(1));
});

test.each(['', 'short', `1:${base64(1)},1:${base64(2)}`, `0:${base64(1)}`, `x:${base64(1)}`, `${base64(1)}=,`])(
  '%j is no master key',
  (text) => {
    expect(() => parseMasterKeys(text)).toThrow(expect.objectContaining({ code: 'CORRAL_KEYS_WRONG' }) as Error);
  },
);
