import { expect, test } from 'vitest';
import { needsOf } from '../abi.ts';
import { WEB_PARTS } from './globals.ts';

test('a bundle that names any of the globals of the web has the image that defines it', () => {
  const names = Object.values(WEB_PARTS).flat();
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => needsOf(`var a = () => new ${name}(1);`).image !== 'web')).toEqual([]);
  expect(needsOf('var a = () => new Filer(reader.Profile, MyRequest);').image).toBe('base');
});
