import { expect, test, vi } from 'vitest';
import { createClient } from '@corral/protocol/api/client';
import { front, HELLO, sharedFront, SLEEP, SPIN } from '../front.ts';
import { until } from '../until.ts';

/** For tests that need no host of their own. */
const host = sharedFront();

test('an agent is deployed, a job submitted, waited for, and seen from every side', async () => {
  const { admin, deploy } = host();
  const version = await deploy(HELLO);
  const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'Ada' } } });
  const shown = await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  expect(shown).toMatchObject({
    agent: 'hello',
    version,
    ended_as: 'completed',
    outcome: { kind: 'completed', output: { greeting: 'Hello, Ada!' } },
  });
  const { items } = await admin.runJournal({ params: { run } });
  expect(JSON.stringify(items)).toContain('Hello, Ada!');
  expect(await admin.whyRun({ params: { run } })).toMatchObject({ verdict: 'ended: completed' });
  expect(await admin.runTree({ params: { run } })).toMatchObject({ run, children: [] });
});

test('the same key gives the same run, and another body under it is refused', async () => {
  const { admin, deploy } = await front();
  await deploy(HELLO);
  const headers = { 'idempotency-key': 'once' };
  const body = { agent: 'hello', input: { name: 'Ada' } };
  const made = await Promise.all([1, 2, 3].map(() => admin.submitRun({ headers, body })));
  expect(new Set(made.map(({ run }) => run)).size).toBe(1);
  await expect(admin.submitRun({ headers, body: { agent: 'hello', input: { name: 'Eve' } } })).rejects.toMatchObject({
    code: 'CORRAL_IDEMPOTENCY_MISMATCH',
    status: 422,
  });
  expect((await admin.listRuns({})).items).toHaveLength(1);
});

test('a key is good for ever: a host that is started again knows it', { tags: 'long' }, async () => {
  const first = await front();
  await first.deploy(HELLO);
  const submit = (client: typeof first.admin) =>
    client.submitRun({ headers: { 'idempotency-key': 'k' }, body: { agent: 'hello', input: { name: 'A' } } });
  const before = await submit(first.admin);
  await first.host.close();
  const second = await front({ data: first.data });
  expect((await submit(second.admin)).run).toBe(before.run);
});

test('runs are listed newest first, a page at a time, and found by what is known of them', async () => {
  const { admin, deploy } = await front();
  await deploy(HELLO);
  await deploy(SLEEP);
  const made: string[] = [];
  for (let i = 0; i < 5; i++) made.push((await admin.submitRun({ body: { agent: 'hello', input: { name: `n${i}` } } })).run);
  const sleeper = await admin.submitRun({ body: { agent: 'sleeper' } });
  for (const run of made) await admin.showRun({ params: { run: run as never }, query: { wait_ms: 60_000 } });
  const first = await admin.listRuns({ query: { agent: 'hello', limit: 3 } });
  const second = await admin.listRuns({ query: { agent: 'hello', limit: 3, cursor: first.next ?? '' } });
  expect([...first.items, ...second.items].map(({ run }) => run)).toEqual(made.toReversed());
  expect(second.next).toBeNull();
  expect((await admin.listRuns({ query: { live: 'true' } })).items.map(({ run }) => run)).toEqual([sleeper.run]);
  expect((await admin.listRuns({ query: { ended_as: 'completed' } })).items).toHaveLength(5);
  expect((await admin.listRuns({ query: { q: made[2] ?? '' } })).items.map(({ run }) => run)).toEqual([made[2]]);
  await expect(admin.listRuns({ query: { cursor: 'nonsense' } })).rejects.toMatchObject({ status: 400 });
});

test('aliases follow deploys, are moved, and go back one step at a time', async () => {
  const { admin, deploy } = host();
  const one = await deploy(`{ name: 'a', run: () => 1 }`, { alias: 'prod' });
  const two = await deploy(`{ name: 'a', run: () => 2 }`, { alias: 'prod' });
  const three = await deploy(`{ name: 'a', run: () => 3 }`, { alias: 'prod' });
  const back = () => admin.rollBack({ params: { agent: 'a', alias: 'prod' }, body: { reason: 'bad' } });
  expect((await back()).version).toBe(two);
  expect((await back()).version).toBe(one);
  await expect(back()).rejects.toMatchObject({ code: 'CORRAL_VERSION_UNKNOWN' });
  expect((await admin.submitRun({ body: { agent: 'a@prod' } })).version).toBe(one);
  expect((await admin.submitRun({ body: { agent: 'a' } })).version).toBe(three);
  expect((await admin.submitRun({ body: { agent: `a@${two.slice(0, 20)}` } })).version).toBe(two);
  const shown = await admin.showAgent({ params: { agent: 'a' } });
  expect(shown.history.map(({ version }) => version)).toEqual([three, two, one]);
});

test('all runs of an agent are killed at once, with a receipt each, and others left alone', async () => {
  const { admin, deploy } = await front();
  await deploy(SLEEP);
  await deploy(HELLO);
  const runs = await Promise.all(Array.from({ length: 20 }, () => admin.submitRun({ body: { agent: 'sleeper' } })));
  const request = { operation: 'kill', target: { agent: 'sleeper' as never }, reason: 'drill' } as const;
  const dry = await admin.operate({ body: { ...request, dryRun: true } });
  expect(dry.matched).toHaveLength(20);
  expect(dry.receipts).toEqual([]);
  expect(dry.reach).toEqual({ runs: 20, children: 0, calls: [], other_calls: 0 });
  const done = await admin.operate({ body: request });
  expect(done.receipts.map(({ run }) => run).sort()).toEqual(runs.map(({ run }) => run).sort());
  expect(done.receipts.every(({ lifecycle, by }) => lifecycle === 'ended' && by.startsWith('user:'))).toBe(true);
  expect((await admin.listRuns({ query: { live: 'true' } })).items).toEqual([]);
  expect((await admin.listOperations({})).items.filter(({ operation }) => operation === 'kill').map(({ id }) => id)).toEqual([done.id]);
});

test('a spinning run is paused, says why it stands, goes on, and is killed', async () => {
  const { admin, deploy } = await front();
  await deploy(SPIN);
  const { run } = await admin.submitRun({ body: { agent: 'spin' } });
  const operate = (operation: 'pause' | 'resume' | 'kill') => admin.operate({ body: { operation, target: { run }, reason: 'drill' } });
  await until(async () => (await admin.showRun({ params: { run } })).on_cpu);
  expect((await operate('pause')).receipts[0]).toMatchObject({ control: 'paused' });
  expect(await admin.whyRun({ params: { run } })).toMatchObject({
    verdict: 'paused',
    because: [expect.stringContaining('drill')],
    next: [expect.stringContaining(`corral resume ${run} -m`)],
  });
  expect((await admin.listRuns({ query: { control: 'paused' } })).items).toHaveLength(1);
  expect((await operate('resume')).receipts[0]).toMatchObject({ control: 'none' });
  expect((await operate('kill')).receipts[0]).toMatchObject({ cell_killed: true, lifecycle: 'ended' });
  // A stop verb is never refused: its answer says what it found.
  expect(await operate('kill')).toMatchObject({ matched: [], receipts: [], refused: [{ run, code: 'CORRAL_RUN_STATE' }] });
  await expect(operate('resume')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE', status: 409 });
});

test('events are followed, and taken up again where they were left', async () => {
  const { admin, deploy, host } = await front();
  const listens = vi.spyOn(host.door.feed, 'follow');
  await deploy(HELLO);
  const seen: { id: string; kind: string }[] = [];
  const follow = async (kind: string, last?: string) => {
    const stop = new AbortController();
    for await (const event of admin.follow({}, { last, signal: stop.signal })) {
      seen.push(event as never);
      if (event.kind === kind) break;
    }
    stop.abort();
  };
  const first = follow('run.ended');
  await until(() => listens.mock.calls.length > 0, 'the follower listens to the feed');
  await admin.submitRun({ body: { agent: 'hello', input: { name: 'Ada' } } });
  await first;
  expect(seen.map(({ kind }) => kind)).toEqual(['run.admitted', 'run.began', 'run.logged', 'run.ended']);
  const [, second] = seen;
  seen.length = 0;
  await follow('run.ended', second?.id);
  expect(seen.map(({ kind }) => kind)).toEqual(['run.logged', 'run.ended']);
  seen.length = 0;
  await follow('reset', 'before-1');
  expect(seen).toEqual([{ kind: 'reset' }]);
});

test('a queue that is full is answered with when to come back', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ tenants: { local: { queue: 2 } } }) });
  await deploy(SLEEP);
  await admin.submitRun({ body: { agent: 'sleeper' } });
  await admin.submitRun({ body: { agent: 'sleeper' } });
  await expect(admin.submitRun({ body: { agent: 'sleeper' } })).rejects.toMatchObject({ code: 'CORRAL_QUEUE_FULL', status: 429 });
  await admin.operate({ body: { operation: 'kill', target: { all: true }, reason: 'room' } });
  await admin.submitRun({ body: { agent: 'sleeper' } });
});

test('a host that goes down takes no more work, and what it had goes on when it is up again', async () => {
  const first = await front();
  await first.deploy(SLEEP);
  const { run } = await first.admin.submitRun({ body: { agent: 'sleeper' } });
  await until(async () => (await first.admin.showRun({ params: { run } })).waiting === 'timer');
  await first.host.close();
  await expect(first.admin.listRuns({})).rejects.toMatchObject({ code: 'CORRAL_UNREACHABLE' });
  const second = await front({ data: first.data });
  expect(second.host.recovered).toBe(1);
  expect((await second.admin.listRuns({ query: { live: 'true' } })).items.map((item) => item.run)).toEqual([run]);
  expect(await second.admin.ready({})).toMatchObject({ ready: true, recovered: 1 });
});

test('the address is not served to who has no token', async () => {
  const { url } = host();
  const { transportTo } = await import('@corral/client/node');
  await expect(createClient(transportTo({ url })).listRuns({})).rejects.toMatchObject({ status: 401 });
  await expect(createClient(transportTo({ url }), `corral_${'x'.repeat(43)}`).listRuns({})).rejects.toMatchObject({ status: 401 });
  expect(await createClient(transportTo({ url })).health({})).toMatchObject({ ok: true });
});

test.each(['runCalls', 'runMessages', 'runFixture'] as const)(
  '%s of whole journals are made one after the other, and too many at once are refused',
  async (name) => {
    // A host of its own, since all that a principal asks within a moment counts together.
    const { admin, deploy } = await front();
    await deploy(HELLO);
    const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'Ada' } } });
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    const ask = () =>
      admin[name]({ params: { run }, query: {} }).then(
        () => 'given',
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      );
    const answers = new Set<string>();
    // A host may be quicker than a test that sends.
    await until(async () => {
      for (const answer of await Promise.all(Array.from({ length: 100 }, ask))) answers.add(answer);
      return answers.size > 1;
    });
    expect([...answers].toSorted()).toEqual(['CORRAL_RATE_LIMITED: 16 such requests are waiting already.', 'given']);
  },
);
