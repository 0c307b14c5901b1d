/** Operations on many runs: by a list or a filter, with a preview, a result for each, and what was beyond the preview. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { RouteInput } from '@corral/protocol/api/routes';
import { corral } from '../command.ts';
import { sharedFront, SLEEP } from '../front.ts';
import { until } from '../until.ts';

type Body = RouteInput<'operate'>['body'];
const shared = sharedFront({ configText: JSON.stringify({ tenants: { local: {}, other: {} } }) });
let deployed = false;

const sleepers = async (n: number, tenant = 'local') => {
  const { admin } = shared();
  const runs: string[] = [];
  for (let i = 0; i < n; i++) runs.push((await admin.submitRun({ body: { agent: 'sleeper', tenant } })).run);
  for (const run of runs) await until(async () => (await admin.showRun({ params: { run: run as never } })).waiting === 'timer');
  return runs;
};
const operate = (body: Partial<Body> & Pick<Body, 'operation' | 'target'>) =>
  shared().admin.operate({ body: { reason: 'drill', ...body } });
const controlOf = async (run: string) => (await shared().admin.showRun({ params: { run: run as never } })).control;

beforeEach(async () => {
  const { admin, deploy } = shared();
  if (!deployed) for (const tenant of ['local', 'other']) await deploy(SLEEP, { tenant });
  deployed = true;
  await admin.operate({ body: { operation: 'kill', target: { all: true }, reason: 'room' } });
});

describe('a stop verb', () => {
  test('acts on the runs that are named, and says of each other one why it was not', async () => {
    const [one = '', two = '', ended = ''] = await sleepers(3);
    await operate({ operation: 'kill', target: { run: ended as never } });
    const target = { where: { runs: [one, ended, 'run_000000000000'] as never } };
    const dry = await operate({ operation: 'pause', target, dryRun: true });
    expect(dry).toMatchObject({ matched: [one], reach: { runs: 1 }, receipts: [] });
    expect(await controlOf(one)).toBe('none');
    const done = await operate({ operation: 'pause', target });
    expect(Object.keys(dry).toSorted()).toEqual([...Object.keys(done), 'reach'].toSorted());
    expect(done.receipts.map(({ run }) => run)).toEqual([one]);
    expect(done.refused.map(({ run, code }) => [run, code])).toEqual([
      [ended, 'CORRAL_RUN_STATE'],
      ['run_000000000000', 'CORRAL_RUN_UNKNOWN'],
    ]);
    expect([await controlOf(one), await controlOf(two)]).toEqual(['paused', 'none']);
  });

  test('acts on what matches when it is done, and its receipt lists what was beyond the preview', async () => {
    const first = await sleepers(2);
    const target = { where: { agent: 'sleeper', tenant: 'local' as never, waiting: 'timer' as const } };
    const { preview = '', matched } = await operate({ operation: 'kill', target, dryRun: true });
    expect(matched.toSorted()).toEqual(first.toSorted());
    const [late = ''] = await sleepers(1);
    const done = await operate({ operation: 'kill', target, preview });
    expect(done.receipts.map(({ run }) => run).toSorted()).toEqual([...first, late].toSorted());
    expect(done.beyond).toEqual([late]);
    expect(await operate({ operation: 'kill', target, preview: '0123456789abcdef' })).toMatchObject({ matched: [], beyond: null });
  });

  test('reaches nothing of another tenant, whose runs are unknown to who names them', async () => {
    const [mine = ''] = await sleepers(1);
    const [theirs = ''] = await sleepers(1, 'other');
    const operator = await shared().as('local', 'operator');
    const body: Body = { operation: 'kill', target: { where: { runs: [mine, theirs] as never } }, reason: 'drill' };
    expect(await operator.operate({ body })).toMatchObject({ matched: [mine], refused: [{ run: theirs, code: 'CORRAL_RUN_UNKNOWN' }] });
    expect(await controlOf(theirs)).toBe('none');
  });
});

describe('a resumption of many', () => {
  test('is bound to its preview: it is refused if other runs match now, and then nothing goes on', async () => {
    const runs = await sleepers(2);
    const target = { where: { control: 'paused' as const } };
    await operate({ operation: 'pause', target: { where: { runs: runs as never } } });
    await expect(operate({ operation: 'resume', target })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
    const { preview = '' } = await operate({ operation: 'resume', target, dryRun: true });
    const [late = ''] = await sleepers(1);
    await operate({ operation: 'pause', target: { run: late as never } });
    await expect(operate({ operation: 'resume', target, preview })).rejects.toMatchObject({ code: 'CORRAL_PREVIEW_STALE', status: 409 });
    for (const run of [...runs, late]) expect(await controlOf(run)).toBe('paused');
    const again = await operate({ operation: 'resume', target, dryRun: true });
    const done = await operate({ operation: 'resume', target, preview: again.preview as string });
    expect(done).toMatchObject({ beyond: [], refused: [] });
    expect(done.receipts).toHaveLength(3);
  });

  test('is one command, which looks first; or two, of which the second takes what the first printed', { tags: 'long' }, async () => {
    const runs = await sleepers(2);
    const { data } = shared();
    const at = ['--data', data, '-m', 'drill'];
    await corral(['pause', '--older-than', '1ms', ...at]);
    for (const run of runs) expect(await controlOf(run)).toBe('paused');
    const { out } = await corral(['resume', '--agent', 'sleeper', '--dry-run', ...at]);
    const [, preview = ''] = /--preview ([0-9a-f]{16})/.exec(out) ?? [];
    await corral(['resume', '--agent', 'sleeper', '--preview', preview, ...at]);
    for (const run of runs) expect(await controlOf(run)).toBe('none');
    await corral(['pause', '--tenant', 'local', ...at]);
    await corral(['resume', '--tenant', 'local', ...at]);
    for (const run of runs) expect(await controlOf(run)).toBe('none');
  });
});
