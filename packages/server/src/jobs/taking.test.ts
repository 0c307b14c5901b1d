/** A tool that is taken back from runs while it is handed to them. */
import { expect, test } from 'vitest';
import type { Holding } from '@corral/protocol/ports/tool-reads';
import { takenFrom } from './taking.ts';

const RUNS = [
  { id: 'run_a', tenant: 'crew' },
  { id: 'run_b', tenant: 'crew' },
] as never;
const grant = (run: string, id: string) => ({ run, grant: id }) as unknown as Holding;

/** @param handed by the commits that become durable while the tool is taken back, the first time, the second, … */
async function taking(handed: readonly (readonly Holding[])[], refuses?: string) {
  const took: string[] = [];
  let held: readonly Holding[] = [];
  let round = 0;
  const outcomes = await takenFrom(
    {
      host: {
        takeTool: ({ stored }) => {
          took.push(stored.map((one) => one.grant).join());
          const taken = { latency_ms: 1, grants_revoked: 1, calls_aborted: 0, calls: [] };
          return new Map(stored.map(({ run }) => [run, run === refuses ? Promise.reject(new Error('full')) : Promise.resolve(taken)]));
        },
        settled: async () => {
          held = handed[round++] ?? [];
        },
      },
      reads: { holdings: (_, runs) => Promise.resolve(held.filter(({ run }) => runs.includes(run))) },
    },
    { tool: 'pay', runs: RUNS, stored: [grant('run_a', 'g1'), grant('run_other', 'g2')] },
    'ana',
    'leaks',
  );
  return { took, outcomes: Object.fromEntries(outcomes) };
}

test('is taken back once more from a run that a commit on its way had handed it to, and from no run besides', async () => {
  const { took, outcomes } = await taking([[grant('run_a', 'g3'), grant('run_b', 'g4')], [grant('run_b', 'g5')], []]);
  expect(took).toEqual(['g1', 'g3,g4', 'g5']);
  expect(outcomes).toMatchObject({ run_a: { grants_revoked: 2, latency_ms: 2 }, run_b: { grants_revoked: 2, latency_ms: 2 } });
  expect(Object.keys(outcomes)).toHaveLength(2);
});

test('is not asked of the store again for a run that the store has refused, and is left to a person where it is handed over without end', async () => {
  const again = [grant('run_a', 'g3')];
  expect(await taking([again], 'run_a')).toEqual({ took: ['g1'], outcomes: { run_a: { error: new Error('full') } } });
  const { took, outcomes } = await taking([again, again, again, again, again, again]);
  expect(took).toHaveLength(5);
  expect(outcomes).toMatchObject({ run_a: { error: { code: 'CORRAL_CHANGED' } } });
});
