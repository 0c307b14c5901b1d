/** Runs that are stopped, copied, tried and moved while a stream is open: real hosts, real cells, and a tool that streams when the test says so. */
import { expect, test } from 'vitest';
import { ASKS_MODEL } from '@corral/protocol/ports/tool';
import { begun, billed, chunksOf, talker } from '../streaming.ts';
import { agentFile } from '../agents/file.ts';
import { world } from '../world.ts';
import { outputOf } from './payments.ts';

test.each([
  ['tokens', { tokens: 60 }, { tokens: 100 }],
  ['money', { tokens: 1_000, money_micros: 60 }, { tokens: 1, money_micros: 100 }],
] as const)(
  'a bill at the end of a stream that the budget of %s does not have ends the run, with the parts that it had',
  async (limit, budget, cost) => {
    const { tool, next, talks } = talker({ ...ASKS_MODEL, costs: { tokens: 50, money_micros: 50 } });
    const w = await world([tool]);
    const more = { budget: { money_micros: 1_000, ...budget } };
    const { id, ended, talk } = await begun(w, next, agentFile('streams/twice'), {}, more);
    await talk.say('b');
    talk.done('end', { cost });
    expect(await ended).toMatchObject({ kind: 'exceeded', limit });
    expect([talks.length, billed(w, id)]).toEqual([1, cost.tokens]);
    expect((await chunksOf(w, id)).flatMap(({ parts }) => parts)).toEqual(['a', 'b']);
  },
);

test('a version under quarantine gets no part of its streams, and all of them once that is lifted; its calls are made once', async () => {
  const { tool, next, talks } = talker();
  const w = await world([tool]);
  const { id, ended, talk, version } = await begun(w, next);
  await w.supervisor.stops.quarantine('version', version.version, 'ana', 'odd');
  await talk.say('b', 'c');
  talk.done();
  await w.supervisor.park();
  expect((await chunksOf(w, id)).flatMap(({ parts }) => parts)).toEqual(['a']);
  await w.supervisor.stops.lift('version', version.version, 'ana', 'explained');
  expect(outputOf(await ended)).toEqual({ parts: ['a', 'b', 'c'], end: 'end' });
  expect(talks.length).toBe(1);
});

test('a fork has the parts that its origin had been given, and neither gets the rest nor makes the call again; its origin goes on', async () => {
  const { tool, next, talks } = talker();
  const w = await world([tool]);
  const { id, ended, talk } = await begun(w, next);
  const at = (await w.store.journal(id, 0)).length + 1;
  const fork = await w.supervisor.fork({ run: id, at, by: 'ann' as never });
  const [waiting] = fork.unknown;
  const call = waiting?.call as number;
  await talk.say('b');
  talk.done();
  expect(outputOf(await ended)).toEqual({ parts: ['a', 'b'], end: 'end' });
  const { control } = w.supervisor;
  await expect(control.resolve(fork.id, call, 'ann', { how: 'retry' })).rejects.toThrow(/Parts of the answer .* were delivered/);
  await control.resolve(fork.id, call, 'ann', { how: 'result', value: 'as far as known' });
  expect(outputOf(await fork.ended)).toEqual({ parts: ['a'], end: 'as far as known' });
  expect(talks.length).toBe(1);
});

test('a run is tried on another version and moved to it in the middle of a stream, which goes on', async () => {
  const { tool, next, talks } = talker();
  const w = await world([tool]);
  const { id, ended, talk } = await begun(w, next);
  const reads = (way: string) =>
    `{ name: 'collect', uses: { talk: 'tool:talk' }, async run({ caps }) { const parts = [];
      for await (const part of caps.talk.stream({}${way})) parts.push(part); return { moved: parts } } }`;
  const other = await w.deploy(reads(', { timeout_ms: 9 }'));
  const same = await w.deploy(reads(', undefined'));
  const record = (await w.store.run(id))?.record as never;
  const entries = await w.store.journal(id, 0);
  const tried = async ({ bundle }: typeof same) =>
    (await w.supervisor.trial({ record, entries, bundle: { digest: bundle, source: (await w.store.bundle(bundle)) as never } })).difference;
  expect(await tried(other)).toMatchObject({ crank: 1 });
  expect(await tried(same)).toBeUndefined();
  await expect(w.supervisor.control.upgrade(id, other, 'ana')).rejects.toMatchObject({ code: 'CORRAL_UPGRADE_DIFFERS' });
  await w.supervisor.control.upgrade(id, same, 'ana');
  await talk.say('b');
  talk.done();
  expect(outputOf(await ended)).toEqual({ moved: ['a', 'b'] });
  expect(talks.length).toBe(1);
});
