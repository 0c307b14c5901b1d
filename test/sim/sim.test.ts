/**
 * Some seeds of the simulated world, the seeds on which the product once broke an invariant, and the simulator itself: a seed gives the
 * same world again, and planted bugs fit the code and are found. More seeds and all planted bugs are in sim.long.test.ts, and
 * `npm run test:long` has seeds that nobody has tried and those on which the oracle or the world was at fault.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MUTATIONS } from './planted.ts';
import { simulate } from './simulate.ts';
import { STORIES } from './stories.ts';

describe('a simulated world', () => {
  test('breaks no invariant, whatever befalls it', async () => {
    const { said } = await simulate('--seeds', '15');
    expect(said).toMatch(/^0 violations/m);
  });

  test('breaks none where two hosts share a disk, stand still, are slow and get lost', async () => {
    const { said } = await simulate('--seeds', '8', '--supervisors', '2');
    expect(said).toMatch(/^0 violations/m);
  });

  test('breaks none on the seeds on which the product once did', async () => {
    const { said } = await simulate('--stories', '--wrong', 'product');
    const seeds = STORIES.filter(({ wrong }) => wrong === 'product').flatMap((story) => story.seeds);
    expect(seeds).not.toEqual([]);
    expect(said).toContain(`\n0 violations in ${seeds.length} recorded seeds\n`);
  });

  test('loses no wake-up to a run that is being parked', async () => {
    const { said } = await simulate('--race', '30');
    expect(said).toContain('0 wakes lost');
  });

  test('is the same again for the same seed', async () => {
    const [first, second] = await Promise.all([simulate('--seed', '17', '--verbose'), simulate('--seed', '17', '--verbose')]);
    const events = (said: string) => said.split('\n').filter((line) => /^ *\d+\.\d{3} /.test(line));
    expect(events(first.said).length).toBeGreaterThan(50);
    expect(events(second.said)).toEqual(events(first.said));
  });
});

test('each planted bug replaces a piece that stands once in its file', () => {
  const strays = Object.entries(MUTATIONS).flatMap(([name, edits]) =>
    edits.flatMap(({ file, piece }) => {
      const source = readFileSync(new URL(`../../packages/${file}`, import.meta.url), 'utf8');
      return source.split(piece).length === 2 ? [] : [`${name}: ${file}`];
    }),
  );
  expect(strays).toEqual([]);
});

test.each(['skip-embargo', 'decide-again'])('the simulator finds a bug that was put in on purpose: %s', async (name) => {
  expect((await simulate('--seeds', '2000', '--mutation', name)).said).toMatch(/found by seed \d+/);
});
