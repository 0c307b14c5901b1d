import { describe, expect, test } from 'vitest';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import { AgentBreakers, type Newcomer } from './agent-breakers.ts';

const REST_MS = 1_000;
const newcomer = (name: string): Newcomer => ({
  id: `run_${name}` as RunId,
  tenant: 't' as TenantId,
  version: 'sha256:v' as Newcomer['version'],
});

/** A breaker that has rested since two runs failed, and a run that was let through before that. */
function rested() {
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now, after: () => () => undefined };
  const breakers = new AgentBreakers(
    clock,
    () => ({ window: 4, least: 2, rest_ms: REST_MS }),
    () => undefined,
  );
  const isLet = (run: Newcomer) => breakers.refusal(run) === undefined;
  const fails = (run: Newcomer) =>
    breakers.ended({ ...run, agent: 'a' as never }, run.version, { kind: 'failed', code: 'CORRAL_AGENT_THREW', message: '' });
  const before = newcomer('before');
  expect(isLet(before)).toBe(true);
  for (const name of ['one', 'two']) {
    expect(isLet(newcomer(name))).toBe(true);
    fails(newcomer(name));
  }
  expect(isLet(newcomer('while-it-rests'))).toBe(false);
  now += REST_MS;
  return { breakers, before, isLet, fails, pass: (ms: number) => (now += ms) };
}

describe('an agent that is tried again', () => {
  test('is tried by another run where the one that was let through never began', () => {
    const { breakers, isLet } = rested();
    const probe = newcomer('probe');
    expect([isLet(probe), isLet(newcomer('next'))]).toEqual([true, false]);
    breakers.neverBegan(probe);
    expect([isLet(newcomer('next')), isLet(newcomer('third'))]).toEqual([true, false]);
  });

  // Bug trial-of-another: a refused spawn of the time before gave back the trial of the run that was trying the agent.
  test('is tried by one run alone, whatever becomes of a run that was let through before', () => {
    const { breakers, before, isLet } = rested();
    expect(isLet(newcomer('probe'))).toBe(true);
    breakers.neverBegan(before);
    expect(isLet(newcomer('next'))).toBe(false);
  });

  test('is tried by one run alone where an earlier one took too long and is stopped then; its outcome counts while it goes on', () => {
    const { breakers, isLet, pass } = rested();
    const [late, next] = [newcomer('late'), newcomer('next')];
    expect([isLet(late), isLet(next)]).toEqual([true, false]);
    pass(REST_MS);
    expect(isLet(next)).toBe(true);
    breakers.ended({ ...late, agent: 'a' as never }, late.version, { kind: 'killed', by: 'ana', reason: '' });
    expect(isLet(newcomer('third'))).toBe(false);
    pass(REST_MS);
    expect(isLet(newcomer('third'))).toBe(true);
    breakers.ended({ ...next, agent: 'a' as never }, next.version, { kind: 'completed', output: null });
    expect(breakers.resting()).toEqual([]);
  });
});
