/**
 * The simulated world, a few hundred seeds of it, and the simulator itself: that it repeats, and that it finds the bugs which it
 * is there to find.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { MUTATIONS, RARE } from './mutations.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** In a process of its own: what is thrown in there and caught by nobody is a finding too. */
async function simulate(...args: string[]): Promise<{ readonly failed: boolean; readonly said: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { maxBuffer: 64 * 1024 * 1024 });
    return { failed: false, said: stdout };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { failed: true, said: stdout + stderr };
  }
}

describe('a simulated world', () => {
  test('breaks no invariant, whatever befalls it', async () => {
    const { said } = await simulate('--seeds', '300');
    expect(said).toMatch(/^0 violations/m);
  });

  test('breaks none on the seeds on which it once did', async () => {
    const { said } = await simulate('--stories');
    expect(said).toMatch(/^0 violations in 24 recorded seeds/m);
  });

  test('loses no wake-up to a run that is being parked', async () => {
    const { said } = await simulate('--race', '500');
    expect(said).toContain('0 wakes lost');
  });

  test('is the same again for the same seed', async () => {
    const [first, second] = await Promise.all([simulate('--seed', '17', '--verbose'), simulate('--seed', '17', '--verbose')]);
    const events = (said: string) => said.split('\n').filter((line) => /^ *\d+\.\d{3} /.test(line));
    expect(events(first.said).length).toBeGreaterThan(50);
    expect(events(second.said)).toEqual(events(first.said));
  });
});

/** What is said of each bug when it is found. The first seeds find none where there is none, as the test above shows. */
describe('the simulator finds a bug that was put in on purpose:', () => {
  test.each(Object.keys(MUTATIONS).filter((name) => !RARE.has(name)))('%s', async (name) => {
    const { failed, said } = await simulate('--seeds', '2000', '--mutation', name);
    expect(said).toMatch(/found by seed \d+/);
    expect(said).toContain(`--mutation ${name}`);
    expect(failed).toBe(true);
  });
});
