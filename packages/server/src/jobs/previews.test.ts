/** The previews that are known: of which person, for what, and how many. */
import { expect, test } from 'vitest';
import { previewOf, Previews } from './previews.ts';

const ANA = { principal: { id: 'ana', tenant: 'crew' }, operation: 'revoke', of: 'pay' };
const RUNS = ['a', 'b'];

test('a preview tells what was beyond it only to the person who asked, about the operation and the tool that it was made for', () => {
  const previews = new Previews();
  const preview = previews.keep(ANA, RUNS);
  expect(preview).toBe(previewOf(ANA, RUNS.toReversed()));
  expect(previews.beyond(ANA, preview, ['b', 'c'])).toEqual(['c']);
  for (const other of [
    { ...ANA, of: 'mail' },
    { ...ANA, operation: 'resume' },
    { ...ANA, principal: { id: 'ben', tenant: 'crew' } },
    { ...ANA, principal: { id: 'ana', tenant: 'other' } },
  ]) {
    expect([previewOf(other, RUNS) === preview, previews.beyond(other, preview, RUNS)]).toEqual([false, null]);
  }
});

test('many previews of one tenant displace the oldest of its own, and none of another', () => {
  const previews = new Previews();
  const theirs = { ...ANA, principal: { id: 'ben', tenant: 'other' } };
  const preview = previews.keep(theirs, RUNS);
  const made = Array.from({ length: 101 }, (_, i) => previews.keep(ANA, [String(i)]));
  expect(previews.beyond(theirs, preview, RUNS)).toEqual([]);
  expect(made.map((one) => previews.beyond(ANA, one, []) !== null)).toEqual(made.map((_, i) => i > 0));
  const large = Array.from({ length: 100_001 }, (_, i) => String(i));
  expect(previews.beyond(ANA, previews.keep(ANA, large), ['0', 'x'])).toEqual(['x']);
  expect(made.every((one) => previews.beyond(ANA, one, []) === null)).toBe(true);
});
