/** Followers of one run: what they are told, and that nothing is lost or told twice, wherever they come back. */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import type { RunEvent } from '@corral/protocol/api/run-events';
import type { RunId } from '@corral/protocol/ids';
import { agentFile } from '../agents/file.ts';
import { front, sharedFront, shortFolder } from '../front.ts';

const shared = sharedFront({ configText: JSON.stringify({ tenants: { local: {}, other: {} } }) });

/** Says a number at each crank, twice, and ends when it has said them all. */
const COUNTS = `{ name: 'counts', run: async ({ input, emit, log, sleep }) => {
  for (let i = 0; i < input.to; i++) { emit('at', i); log(i); await sleep(input.ms ?? 0); }
  return 'counted';
} }`;

const started = async (client: Client, input: object): Promise<RunId> =>
  (await client.submitRun({ body: { agent: 'counts', input: input as never } })).run;

/** Reads until a number of events has come, or all. */
async function told(client: Client, run: RunId, last?: string, most = Number.POSITIVE_INFINITY): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  for await (const event of client.followRun(run, { last, signal: stop.signal })) if (events.push(event) >= most) break;
  return events;
}

const numbers = (events: readonly RunEvent[]) => events.flatMap((event) => (event.kind === 'emitted' ? [event.data] : []));

test('a follower of a run is told what it emits and logs, in order, from its beginning to its end', async () => {
  const { admin, deploy } = shared();
  await deploy(COUNTS);
  const run = await started(admin, { to: 5 });
  const live = await told(admin, run);
  expect(live.map(({ kind }) => kind)).toEqual([...Array.from({ length: 5 }, () => ['emitted', 'logged']).flat(), 'ended']);
  expect(numbers(live)).toEqual([0, 1, 2, 3, 4]);
  expect(live.at(-1)).toMatchObject({ run, ended_as: 'completed' });
  // The same, for one who comes later.
  expect(await told(admin, run)).toEqual(live);
});

test('a follower that comes back is told the rest, after each of the events', async () => {
  const { admin, deploy } = shared();
  await deploy(COUNTS);
  const run = await started(admin, { to: 4 });
  const all = await told(admin, run);
  for (const [i, { id }] of all.entries()) expect(await told(admin, run, id)).toEqual(all.slice(i + 1));
});

test('one who has heard the end is told so that a browser asks no more', async () => {
  const { url, as, deploy } = shared();
  await deploy(COUNTS);
  const client = await as('local', 'developer');
  const run = await started(client, { to: 1 });
  const end = (await told(client, run)).at(-1)?.id ?? '';
  const asked = (last: string) =>
    fetch(`${url}/v1/runs/${run}/events?after=${last}`, { headers: { authorization: `Bearer ${client.secret}` } });
  expect((await asked(end)).status).toBe(204);
  expect((await asked('x')).status).toBe(400);
});

test('a run is followed by those who may read its payload', async () => {
  const { admin, as, deploy } = shared();
  await deploy(COUNTS);
  const run = await started(admin, { to: 1 });
  for (const client of [await as('local', 'approver'), await as('other', 'developer')])
    await expect(told(client, run)).rejects.toMatchObject({ code: expect.stringMatching(/FORBIDDEN|RUN_UNKNOWN/) as string });
});

test('a follower outlives its host: it is told the rest by the next one', { tags: 'long', timeout: 60_000 }, async () => {
  const data = join(await shortFolder(), 'd');
  const first = await front({ data });
  await first.deploy(COUNTS);
  const run = await started(first.admin, { to: 40, ms: 20 });
  const before = await told(first.admin, run, undefined, 7);
  await first.host.close(0);
  const second = await front({ data });
  const after = await told(second.admin, run, before.at(-1)?.id);
  expect(numbers([...before, ...after])).toEqual(Array.from({ length: 40 }, (_, i) => i));
  expect(after.at(-1)?.kind).toBe('ended');
});

test('a followed conversation with a model outlives its host: each part is told once, and what was answered is not asked again', async () => {
  const data = join(await shortFolder(), 'd');
  const say = Array.from({ length: 40 }, (_, i) => `${i} `);
  // On the first host the second answer takes longer than the host lives.
  const configText = (pace_ms: number) =>
    JSON.stringify({ models: { default: { provider: 'scripted', turns: [{ when: { matches: '^two$' }, say, pace_ms }, { say }] } } });
  const first = await front({ data, configText: configText(300) });
  await first.deploy(agentFile('models/converses'));
  const { run } = await first.admin.submitRun({ body: { agent: 'converses', input: { prompts: ['one', 'two', 'three'] } } });
  // Until the second answer has begun.
  const before: RunEvent[] = [];
  for await (const event of first.admin.followRun(run)) {
    before.push(event);
    if (event.kind === 'chunk' && event.call > 1) break;
  }
  await first.host.close(0);
  const second = await front({ data, configText: configText(1) });
  const events = [...before, ...(await told(second.admin, run, before.at(-1)?.id))];
  const chunks = events.flatMap((event) => (event.kind === 'chunk' ? [event] : []));
  const { outcome } = await second.admin.showRun({ params: { run } });
  expect(outcome).toMatchObject({
    kind: 'completed',
    output: { parts: chunks.flatMap(({ parts }) => parts), answers: ['one', 'two', 'three'] },
  });
  const byCall = Map.groupBy(chunks, ({ call }) => call);
  for (const of of byCall.values()) {
    let next = 0;
    for (const { offset, parts } of of) {
      expect(offset).toBe(next);
      next += parts.length;
    }
  }
  // The answer that broke off is the only one that was asked for twice.
  expect(byCall.size).toBe(4);
});
