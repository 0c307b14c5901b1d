/** People's word on what detectors said, and the thresholds it speaks for, which hold once somebody has put them into the configuration. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { WATCHED } from '@corral/supervisor';
import { front, shortFolder } from '../front.ts';

/** Lists the same folder as often as it is told, which is how it is meant. */
const LISTER = `{ name: 'lister', uses: { list: 'tool:fs.list' }, async run({ input, caps }) {
  for (let i = 0; i < input.times; i++) await caps.list({ path: '.' });
  return 'done';
} }`;

async function lister() {
  const folder = await shortFolder();
  const file = join(folder, 'corral.config.json');
  // Runs get notices and no more, so that each comes to its end.
  const write = (loops: unknown = WATCHED) => writeFile(file, JSON.stringify({ files: { read: folder }, tenants: { local: { loops } } }));
  await write();
  const made = await front({ config: file });
  await made.deploy(LISTER);
  const one = async (times: number): Promise<RunId> => {
    const { run } = await made.admin.submitRun({ body: { agent: 'lister', input: { times } } });
    await made.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    return run;
  };
  const steps = async (run: RunId) =>
    (await made.admin.whyRun({ params: { run } })).because.filter((line) => /^Its? (agent )?was /u.test(line));
  return { ...made, one, steps, write };
}

test(
  'three false alarms propose thresholds at which they would have been none, and at which what was confirmed still is found',
  { tags: 'long' },
  async () => {
    const { admin, one, steps, write, as } = await lister();
    const wrong = [await one(7), await one(8), await one(8)];
    const right = await one(30);
    for (const run of [...wrong, right]) expect(await steps(run)).toHaveLength(1);
    const operator = await as('local', 'operator');
    for (const run of wrong) {
      const { items } = await operator.markRun({
        params: { run },
        body: { verdict: 'false_alarm', reason: 'the same folder for each order' },
      });
      expect(items.find(({ detector }) => detector === 'repeat')).toMatchObject({ step: 'notice', figures: { times: expect.any(Number) } });
    }
    await operator.markRun({ params: { run: right }, body: { verdict: 'confirmed', detector: 'repeat', reason: 'it was stuck' } });
    expect((await admin.whyRun({ params: { run: wrong[0] as RunId } })).because.join()).toContain(
      'marked repeat as a false alarm: the same folder',
    );
    expect((await admin.listMarks({ query: { agent: 'lister' } })).items.map(({ run }) => run)).toEqual(
      expect.arrayContaining([...wrong, right]),
    );

    const before = await admin.showConfig({});
    const tuning = await operator.tuning({});
    const repeat = tuning.changes.find(({ detector, step }) => detector === 'repeat' && step === 'notice');
    expect(repeat).toMatchObject({ agent: 'lister', from: 0.5, kept: [right], lost: [] });
    expect([...(repeat?.false_alarms ?? [])].sort()).toEqual([...wrong].sort());
    expect(tuning.still).toEqual([]);
    // A proposal changes nothing, and turns on nothing that nobody asked for.
    expect((await admin.showConfig({})).version).toBe(before.version);
    expect(tuning.patch).toMatchObject({ ladder: { detectors: { stuck: { kill: null } } } });

    await write(tuning.patch);
    await admin.applyConfig({});
    expect(await steps(await one(8))).toEqual([]);
    expect(await steps(await one(30))).toHaveLength(1);
  },
);

test('a run on which no step was taken has nothing to mark but that it was bad, and a detector must be one', async () => {
  const { admin, one } = await lister();
  const run = await one(1);
  const mark = (body: { verdict: 'false_alarm' | 'confirmed'; detector?: string }) =>
    admin.markRun({ params: { run }, body: { ...body, reason: 'x' } });
  await expect(mark({ verdict: 'false_alarm' })).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
  await expect(mark({ verdict: 'confirmed', detector: 'stuck' })).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
  await expect(mark({ verdict: 'confirmed', detector: 'stcuk' })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  expect((await mark({ verdict: 'confirmed' })).items).toMatchObject([{ detector: '', verdict: 'confirmed' }]);
  expect(await admin.tuning({})).toMatchObject({ changes: [], patch: null });
});

test('an agent that rests is shown among the agents and beside why its runs failed, is told of, and refused with 503', async () => {
  const loops = { breaker: { least: 2, failed: 1, rest_ms: 60_000 } };
  const { admin, deploy, host } = await front({ configText: JSON.stringify({ tenants: { local: { loops } } }) });
  const version = await deploy(`{ name: 'fails', run() { throw new Error('no'); } }`);
  const told: string[] = [];
  host.door.feed.listen(({ kind }) => void told.push(kind));
  const submit = () => admin.submitRun({ body: { agent: 'fails', input: {} } });
  const runs = [await submit(), await submit()].map(({ run }) => run);
  for (const run of runs) await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  await expect(submit()).rejects.toMatchObject({ code: 'CORRAL_AGENT_RESTS', status: 503, retryable: true });
  const why = expect.stringContaining('2 of its last 2 runs did not complete');
  expect((await admin.listAgents({ query: {} })).items[0]?.resting).toMatchObject([{ version, why }]);
  expect((await admin.showAgent({ params: { agent: 'fails' } })).resting).toMatchObject([{ version, why }]);
  expect((await admin.whyRun({ params: { run: runs[0] as RunId } })).because.at(-1)).toMatch(
    /No new run of its version is taken until .*: 2 of/u,
  );
  expect(told).toContain('agent.resting');
});
