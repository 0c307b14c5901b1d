/** Events of runs as observers of a host see them: each thing once, when it is durable, and also where the host answers in the place of others. */
import { expect, test } from 'vitest';
import * as z from 'zod';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import type { Commit } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Observation } from '@corral/supervisor';
import { describe as described } from '@corral/tools/define';
import { gate, keepingBack, readingTool, tool, world, type World } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';
import { grantOf } from './granting.ts';

type Seen<K extends Observation['kind']> = Extract<Observation, { readonly kind: K }>;
const of = <K extends Observation['kind']>({ seen }: World, kind: K, run?: RunId): Seen<K>[] =>
  seen.filter((one): one is Seen<K> => one.kind === kind && (run === undefined || ('run' in one && one.run === run)));
const codeIn = (result: Seen<'answered'>['result']): string | undefined => ('error' in result ? result.error.code : undefined);
const ONCE = `{ name: 'once', uses: { ask: 'tool:ask' }, run: ({ caps }) => caps.ask({}).catch((error) => error.code) }`;

/** A tool whose answer is lost. */
const losing: Tool = {
  ...described({
    name: 'ask',
    description: 'asks',
    input: z.object({}),
    output: z.unknown(),
    annotations: { readOnly: false, destructive: true, openWorld: true, idempotent: false, returns: 'trusted' },
  }),
  invoke: () => Promise.resolve({ kind: 'unknown', message: 'the line went dead' }),
};

test('a request that nobody answered in time is told as the failure of that request', async () => {
  const w = await world();
  await w.run(agentFile('family/gives-up-asking'));
  const replied = of(w, 'replied');
  expect(replied.map(({ what, result }) => [what, codeIn(result)])).toContainEqual(['mailbox', 'CORRAL_TIMED_OUT']);
});

test('a call that a person settled as failed is told with its tool, and how long its agent waited', async () => {
  const w = await world([losing]);
  const { id, ended } = await w.submit(await w.deploy(ONCE));
  await until(async () => (await w.store.run(id))?.status.waiting === 'resolution', `${id} waits for a resolution`);
  await w.supervisor.control.resolve(id, 1, 'ana', { how: 'fail' }, 'looked');
  await ended;
  const [answered, ...more] = of(w, 'answered', id);
  expect(more).toEqual([]);
  expect([answered?.tool, answered && codeIn(answered.result)]).toEqual(['ask', 'CORRAL_UNKNOWN_RESULT']);
  expect(answered?.ms).toBeGreaterThan(0);
});

test('a call whose capability was taken back is told with its tool', async () => {
  const began = gate();
  const slow = tool('ask', async (_, { signal }) => {
    began.open();
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const w = await world([slow]);
  const { id, ended } = await w.submit(await w.deploy(ONCE));
  await began.opened;
  await w.supervisor.stops.revoke(await grantOf(w, id, 'ask'), 'ana', 'leaking');
  await ended;
  const answered = of(w, 'answered', id);
  expect(answered.map(({ tool: what, result }) => [what, codeIn(result)])).toEqual([['ask', 'CORRAL_REVOKED']]);
});

test('a run that is killed tells which calls it leaves without an answer, and is then told as ended with what it was', async () => {
  const began = gate();
  const slow = tool('ask', async (_, { signal }) => {
    began.open();
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const w = await world([slow]);
  const { id } = await w.submit(await w.deploy(ONCE));
  await began.opened;
  await w.supervisor.control.kill(id, 'ana', 'enough');
  expect(of(w, 'left', id)).toEqual([
    { kind: 'left', run: id, call: 1, tool: 'ask', peer: undefined, ms: expect.any(Number), code: 'killed' },
  ]);
  expect(of(w, 'ended', id).map(({ taken }) => taken.record.id)).toEqual([id]);
  const kinds = w.seen.filter((one) => 'run' in one && one.run === id).map(({ kind }) => kind);
  expect(kinds.indexOf('left')).toBeLessThan(kinds.indexOf('ended'));
});

test('refusals of one crank are told one by one up to a bound, and by number beyond it', async () => {
  const w = await world([readingTool('ask', () => 1)]);
  const many = 200;
  const narrow = { grants: { ask: { uses: 1 } } };
  expect(await w.run(agentFile('crew/asks-at-once'), many, narrow)).toMatchObject({ kind: 'completed', output: many - 1 });
  const denied = of(w, 'denied');
  expect(denied.length).toBe(TELEMETRY.refusals_told.default + 1);
  expect(denied.reduce((sum, { count }) => sum + count, 0)).toBe(many - 1);
});

test('a crank that the store refuses at first is told once, when it is durable', async () => {
  let tries = 0;
  const full = Promise.reject(new CorralError('CORRAL_DISK_FULL', 'There is no space.'));
  full.catch(() => undefined);
  const isFirst = ({ entry }: Commit) => entry.seq === 2 && (tries += 1) === 1;
  const w = await world([readingTool('ask', () => 1)], { through: (store) => keepingBack(store, isFirst, full) });
  const { id, ended } = await w.submit(await w.deploy(ONCE));
  expect(await ended).toMatchObject({ kind: 'completed', output: 1 });
  expect(tries).toBeGreaterThan(1);
  expect([of(w, 'refused', id).length, of(w, 'answered', id).length, of(w, 'cranked', id).length]).toEqual([1, 1, 2]);
});
