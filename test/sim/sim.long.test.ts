/**
 * Long simulations: hundreds of seeds, and a check that the simulator finds each planted bug. With `CORRAL_PART=2/10` only the second
 * tenth of those bugs is checked, to save time.
 */
import { describe, expect, test } from 'vitest';
import { FLEET_BUGS } from './planted-fleet.ts';
import { MUTATIONS, RARE } from './planted.ts';
import { simulate } from './simulate.ts';
import { STORIES } from './stories.ts';

const [part = 1, parts = 1] = (process.env['CORRAL_PART'] ?? '1/1').split('/').map(Number);
const planted = Object.keys(MUTATIONS)
  .filter((name) => !RARE.has(name))
  .filter((_, at) => at % parts === part - 1);

test('a simulated world breaks no invariant, whatever befalls it', async () => {
  const { said } = await simulate('--seeds', '300');
  expect(said).toMatch(/^0 violations/m);
});

test.each(['2', '3'])('a simulated world with %s hosts on one disk breaks none', async (hosts) => {
  const { said } = await simulate('--seeds', '150', '--supervisors', hosts);
  expect(said).toMatch(/^0 violations/m);
});

test('a simulated world breaks none on the seeds on which it once did', async () => {
  const { said } = await simulate('--stories');
  expect(said).toContain(`\n0 violations in ${STORIES.flatMap(({ seeds }) => seeds).length} recorded seeds\n`);
});

test('a simulated world loses no wake-up to a run that is being parked', async () => {
  const { said } = await simulate('--race', '500');
  expect(said).toContain('0 wakes lost');
});

/** The simulator reports each bug when it is found. Without a bug the first seeds have no findings, as the test above shows. */
describe('the simulator finds a bug that was put in on purpose:', () => {
  // Each bug needs a process of its own, for up to ten seconds.
  test.concurrent.each(planted)('%s', async (name) => {
    const hosts = name in FLEET_BUGS ? ['--supervisors', '2'] : [];
    const { failed, said } = await simulate('--seeds', '2000', '--mutation', name, ...hosts);
    expect(said).toMatch(/found by seed \d+/);
    expect(said).toContain(`--mutation ${name}`);
    expect(failed).toBe(true);
  });
});
