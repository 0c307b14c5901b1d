import { expect, test } from 'vitest';
import { emptyProfile, learn, type Profile } from './profile.ts';

const run = (from: number, calls: number) =>
  Array.from({ length: calls }, (_, i) => ({ tool: `t${i % 7}`, input: { [`a${from + i}`]: `v${from + i}` }, origins: {} }));

test('a profile knows how large it is without counting its names again at every fact, and is bounded all the same', () => {
  let counted = 0;
  const watched = <T extends object>(of: T): T => new Proxy(of, { ownKeys: (target) => (counted++, Reflect.ownKeys(target)) });
  const profile: Profile = { ...emptyProfile(), values: watched({}), origins: watched({}) };
  for (let i = 0; i < 4; i++) learn(profile, run(i * 1000, 1000));
  expect(counted).toBeLessThanOrEqual(2);
  expect(Object.keys(profile.values)).toHaveLength(1024);
  expect(Object.keys(profile.origins)).toHaveLength(1024);
});

test('a profile that was kept and read again learns on as if it had never been away', () => {
  const here = emptyProfile();
  let kept = emptyProfile();
  for (let i = 0; i < 12; i++) {
    learn(here, run(i * 50, 150));
    kept = JSON.parse(JSON.stringify(kept)) as Profile;
    learn(kept, run(i * 50, 150));
  }
  expect(kept).toEqual(here);
  expect(Object.keys(here.together['t3']?.seen ?? {}).sort()).toEqual(['t0', 't1', 't2', 't4', 't5', 't6']);
});
