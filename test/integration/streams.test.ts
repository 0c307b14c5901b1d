/** The answer to a call in parts: real hosts, real cells, and a tool that streams when the test says so. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MACHINE } from '@corral/protocol/limits';
import type { Inspector } from '@corral/protocol/ports/inspector';
import { ASKS_MODEL } from '@corral/protocol/ports/tool';
import { openApproval, temporary, tool as plainTool, world, type World } from '../world.ts';
import { agentFile } from '../agents/file.ts';
import { policiesOf } from '../policed.ts';
import { begun, billed, chunksOf, COLLECT, given, journalOf, talker } from '../streaming.ts';
import { until } from '../until.ts';
import { FREE, outputOf, paid, payments, policies } from './payments.ts';

const FAILED = { kind: 'failed', message: 'connection reset', retryable: true } as const;

describe('a stream', () => {
  test('gives the agent all parts in order, and then its end; its journal replays to the byte', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { id, ended, talk, version } = await begun(w, next);
    await talk.say({ b: 1 }, [null]);
    talk.done({ finish: 'stop' });
    const parts = ['a', { b: 1 }, [null]];
    expect(outputOf(await ended)).toEqual({ parts, end: { finish: 'stop' } });
    const chunks = await chunksOf(w, id);
    expect(chunks.flatMap((chunk) => chunk.parts)).toEqual(parts);
    expect(chunks[0]?.offset).toBe(0);
    const pulls = (await journalOf(w, id)).flatMap(({ effects }) => effects.filter(({ kind }) => kind === 'pull'));
    expect(pulls.length).toBe(chunks.length + 1);
    const record = (await w.store.run(id))?.record;
    const source = (await w.store.bundle(version.bundle)) as never;
    const entries = await w.store.journal(id, 0);
    const trial = await w.supervisor.trial({ record: record as never, bundle: { digest: version.bundle, source }, entries });
    expect(trial.difference).toBeUndefined();
    // Observers get each chunk once it is durable.
    expect(w.seen.flatMap((one) => (one.kind === 'chunk' ? [[one.offset, one.count]] : []))).toEqual(
      chunks.map(({ offset, parts: of }) => [offset, of.length]),
    );
  });

  test('is not read ahead: the tool waits for an agent that does something else', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { id, ended, talk } = await begun(
      w,
      next,
      `{ name: 'slow', uses: { talk: 'tool:talk' }, async run({ caps, messages }) {
        const stream = caps.talk.stream({}); await stream.next(); await messages.next() } }`,
    );
    void talk.say(...Array.from({ length: 2_000 }, (_, i) => i));
    await until(() => talk.taken === MACHINE.stream_parts.default);
    expect((await chunksOf(w, id)).length).toBe(1);
    await w.supervisor.control.kill(id, 'ana', 'enough');
    expect(await ended).toMatchObject({ kind: 'killed' });
    await until(() => talk.refused !== undefined);
    expect([talk.taken, talk.call.signal.aborted]).toEqual([MACHINE.stream_parts.default, true]);
  });

  test('is asked for again before a part was delivered, and lost after', async () => {
    const { tool, next, talks } = talker({ ...ASKS_MODEL, costs: { tokens: 50 } });
    const w = await world([tool]);
    const { id, ended } = await w.submit(await w.deploy(COLLECT));
    (await next()).end(FAILED);
    const talk = await next(2);
    await talk.say('a', 'b');
    await given(w, id, 2);
    talk.end({ ...FAILED, cost: { tokens: 3 } });
    expect(outputOf(await ended)).toEqual({ parts: ['a', 'b'], code: 'CORRAL_STREAM_LOST' });
    expect([talks.length, billed(w, id)]).toEqual([2, 3]);
  });

  test.each([
    ['break', 'left'],
    ['signal', 'AbortError'],
  ])('is given up (%s): the tool is told, and its bill counts', async (how, output) => {
    const { tool, next } = talker({ ...ASKS_MODEL, costs: { tokens: 50 } });
    const w = await world([tool]);
    const { id, ended, talk } = await begun(w, next, agentFile('streams/leaves'), { how });
    await until(() => talk.call.signal.aborted);
    talk.end({ kind: 'failed', message: 'aborted', cost: { tokens: 7 } });
    expect(outputOf(await ended)).toBe(output);
    expect(billed(w, id)).toBe(7);
  });

  test('is refused of a tool that answers as a whole, and keeps a checkpoint from being made', async () => {
    const { tool, next } = talker();
    const w = await world([tool, plainTool('whole', () => 1)]);
    const refused = await w.run(
      `{ name: 'a', uses: { whole: 'tool:whole' }, run: ({ caps }) => caps.whole.stream({}).next().catch((error) => error.code) }`,
    );
    expect(outputOf(refused)).toBe('CORRAL_STREAM_UNSUPPORTED');
    const { ended, talk } = await begun(
      w,
      next,
      `{ name: 'busy', uses: { talk: 'tool:talk' }, async run({ caps, checkpoint }) { const stream = caps.talk.stream({}); await stream.next();
        const code = await checkpoint(1).catch((error) => error.code); await stream.next(); return code } }`,
    );
    talk.done();
    expect(outputOf(await ended)).toBe('CORRAL_CHECKPOINT_BUSY');
  });

  const LOOKS: Inspector = {
    name: 'looks',
    on: ['answer'],
    always: false,
    timeout_ms: 1_000,
    atOnce: () => ({ found: false, kinds: [], count: 0, score: 0 }),
    inspect: () => Promise.resolve({ kind: 'missing', why: 'nobody waits for it' }),
  };
  const LARGE = '@id("large") forbid (principal, action == Action::"answer", resource == Tool::"talk") when { context.call.bytes > 99 };';
  const looking = async (rule: string, inspectors: readonly Inspector[]) => {
    const { tool, next } = talker({ ...ASKS_MODEL, costs: { tokens: 50 } });
    const tools = [tool, plainTool('whole', () => 1)];
    const current = policiesOf(tools, `${FREE}\n${rule}`, inspectors);
    const w = await world(tools, { tenants: { crew: { tools, policies: { current }, inspectors } } });
    const { id, ended } = await w.submit(await w.deploy(COLLECT), {});
    return { w, id, ended, talk: await next() };
  };

  test.each<[string, string, readonly Inspector[]]>([
    ['an inspector could be asked about answers, and nothing asks it', '', [LOOKS]],
    ['an inspector is always asked about something else', '', [{ ...LOOKS, on: ['request'], always: true }]],
    ['a policy looks at the answers of another tool', LARGE.replace('"talk"', '"whole"'), [LOOKS]],
  ])('is not held back where %s', async (_, rule, inspectors) => {
    const { w, id, ended, talk } = await looking(rule, inspectors);
    await talk.say('a');
    await given(w, id, 1);
    talk.done();
    expect(outputOf(await ended)).toEqual({ parts: ['a'], end: 'end' });
    expect(JSON.stringify(await journalOf(w, id))).not.toContain('"inspected"');
  });

  test('is held back to its end where a policy looks at the size of the answer, and withheld if that is too large; it is paid once', async () => {
    const small = await looking(LARGE, []);
    await small.talk.say('a', 'b');
    small.talk.done();
    expect(outputOf(await small.ended)).toEqual({ parts: ['a', 'b'], end: 'end' });
    const large = await looking(LARGE, []);
    await large.talk.say('a', 'b'.repeat(100));
    large.talk.done('end', { cost: { tokens: 7 } });
    expect(outputOf(await large.ended)).toEqual({ parts: [], code: 'CORRAL_DENIED' });
    expect([billed(large.w, large.id), (await chunksOf(large.w, large.id)).length]).toEqual([7, 0]);
  });

  test('is released behind an inspector that looks at parts: what passed is given, what it finds ends the stream, and a replay asks nobody', async () => {
    const seen: string[] = [];
    const finds: Inspector = {
      ...LOOKS,
      always: true,
      longest_chars: () => 6,
      atOnce: (value) => {
        const text = JSON.stringify((value as { text: unknown }).text);
        seen.push(text);
        const isBad = text.includes('secret');
        return { found: isBad, kinds: isBad ? ['key'] : [], count: Number(isBad), score: Number(isBad) };
      },
    };
    const rule = '@id("found") forbid (principal, action == Action::"answer", resource) when { context.inspect.looks.found };';
    const { w, id, ended, talk } = await looking(rule, [finds]);
    await talk.say('it is a ', 'long ', 'story: s');
    await given(w, id, 2);
    await talk.say('ec');
    void talk.say('ret');
    await until(() => talk.call.signal.aborted);
    talk.end({ kind: 'failed', message: 'aborted', cost: { tokens: 3 } });
    expect(outputOf(await ended)).toEqual({ parts: ['it is a ', 'long '], code: 'CORRAL_DENIED' });
    expect(billed(w, id)).toBe(3);
    const entries = await journalOf(w, id);
    expect(JSON.stringify(entries)).not.toContain('story');
    expect((await chunksOf(w, id))[0]).toMatchObject({ inspected: { verdict: 'allow', by: { looks: { found: false } } } });
    const results = entries.flatMap(({ delivery }) => (delivery?.kind === 'reply' ? delivery.results : []));
    expect(results).toMatchObject([{ error: { code: 'CORRAL_DENIED' }, inspected: { verdict: 'deny', rules: ['found'] } }]);
    const asked = seen.length;
    const record = (await w.store.run(id))?.record;
    const source = (await w.store.bundle(record?.bundle as never)) as never;
    const trial = await w.supervisor.trial({
      record: record as never,
      bundle: { digest: record?.bundle as never, source },
      entries: await w.store.journal(id, 0),
    });
    expect([trial.difference, seen.length]).toEqual([undefined, asked]);
  });

  test('is held back while an inspector takes its time, and denied where that one is late', async () => {
    const pending: (() => void)[] = [];
    const waits: Inspector = {
      ...LOOKS,
      atOnce: () => undefined,
      always: true,
      timeout_ms: 60_000,
      longest_chars: () => 0,
      inspect: () =>
        new Promise((resolve) => pending.push(() => resolve({ kind: 'said', finding: { found: false, kinds: [], count: 0, score: 0 } }))),
    };
    const one = await looking('', [waits]);
    await one.talk.say('a');
    await until(() => pending.length === 1);
    await one.talk.say('b');
    expect((await chunksOf(one.w, one.id)).length).toBe(0);
    pending[0]?.();
    await given(one.w, one.id, 1);
    one.talk.done();
    await until(() => pending.length === 2);
    pending[1]?.();
    expect(outputOf(await one.ended)).toEqual({ parts: ['a', 'b'], end: 'end' });
    const late: Inspector = { ...waits, timeout_ms: 1, inspect: () => new Promise(() => undefined) };
    const rule = '@id("found") forbid (principal, action == Action::"answer", resource) when { context.inspect.looks.found };';
    const two = await looking(rule, [late]);
    await two.talk.say('a');
    await until(() => two.talk.call.signal.aborted);
    two.talk.end({ kind: 'failed', message: 'aborted' });
    expect(outputOf(await two.ended)).toEqual({ parts: [], code: 'CORRAL_DENIED' });
  });

  test('ends with a code when a part is too large, after the parts before it', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { ended, talk } = await begun(w, next);
    await talk.say('b', 'x'.repeat(300_000));
    expect(talk.refused).toMatchObject({ name: 'AbortError' });
    talk.done();
    expect(outputOf(await ended)).toEqual({ parts: ['a', 'b'], code: 'CORRAL_RESULT_TOO_LARGE' });
  });
});

describe('in the middle of a stream', () => {
  test('a cell may be killed: the run is replayed elsewhere, and goes on', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { id, ended, talk } = await begun(w, next);
    const pid = w.supervisor.cellOf(id)?.pid as number;
    process.kill(pid, 'SIGKILL');
    await until(() => w.supervisor.cells().every((cell) => cell.pid !== pid));
    await talk.say('b');
    talk.done();
    expect(outputOf(await ended)).toEqual({ parts: ['a', 'b'], end: 'end' });
  });

  test('a run may be paused: what comes meanwhile waits for it; it is not parked', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { id, ended, talk } = await begun(w, next);
    await w.supervisor.control.pause(id, 'ana', 'look');
    await talk.say('b', 'c');
    talk.done();
    await w.supervisor.park();
    expect((await chunksOf(w, id)).flatMap(({ parts }) => parts)).toEqual(['a']);
    await w.supervisor.control.resume(id, 'ana', 'go');
    expect(outputOf(await ended)).toEqual({ parts: ['a', 'b', 'c'], end: 'end' });
  });

  test('a cancel reaches an agent that reads', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { id, ended, talk } = await begun(w, next);
    await w.supervisor.control.cancel(id, 'ana', 'enough', 60_000);
    expect(outputOf(await ended)).toEqual({ parts: ['a'], code: 'AbortError' });
    await until(() => talk.call.signal.aborted);
  });

  test('a capability may be taken back: the agent is told at once, and nothing that comes later reaches it', async () => {
    const { tool, next } = talker();
    const w = await world([tool]);
    const { id, ended, talk } = await begun(w, next);
    const grant = (await w.store.run(id))?.record.caps.find(({ alias }) => alias === 'talk')?.grant;
    await w.supervisor.stops.revoke(grant as never, 'ops', 'not any more');
    await talk.say('b');
    talk.done();
    expect(outputOf(await ended)).toEqual({ parts: ['a'], code: 'CORRAL_REVOKED' });
  });

  /** The folder as a host leaves it that dies now. */
  async function killed(w: World): Promise<string> {
    const folder = await temporary();
    await cp(join(w.folder, 'data'), join(folder, 'data'), { recursive: true });
    await w.close();
    return folder;
  }

  test('a host may die: what was delivered stands, the stream is lost, and what was reserved is billed once', async () => {
    const { tool, next } = talker({ ...ASKS_MODEL, costs: { tokens: 50 } });
    const w = await world([tool], { folder: await temporary() });
    const { id, talk } = await begun(w, next, COLLECT, { options: { retry: { attempts: 1 } } });
    await talk.say('b');
    await given(w, id, 2);
    const again = talker({ ...ASKS_MODEL, costs: { tokens: 50 } });
    const second = await world([again.tool], { folder: await killed(w) });
    expect(outputOf(await second.supervisor.ended(id))).toEqual({ parts: ['a', 'b'], code: 'CORRAL_STREAM_LOST' });
    expect([again.talks.length, billed(second, id)]).toEqual([0, 50]);
  });

  test('a host may die before a part was delivered: the next one asks again', async () => {
    const { tool, next } = talker();
    const w = await world([tool], { folder: await temporary() });
    const { id } = await w.submit(await w.deploy(COLLECT));
    await next();
    const again = talker();
    const second = await world([again.tool], { folder: await killed(w) });
    const talk = await again.next();
    await talk.say('anew');
    talk.done();
    expect(outputOf(await second.supervisor.ended(id))).toEqual({ parts: ['anew'], end: 'end' });
  });
});

test('what a stranger says in pieces, over several chunks, is found where it is used', async () => {
  paid.length = 0;
  const { tool, next } = talker({ ...ASKS_MODEL, readOnly: true, returns: 'untrusted' });
  const tools = [tool, payments()];
  const w = await world(tools, { tenants: { crew: { tools, policies: { current: policies(tools) } } } });
  const { id, ended, talk } = await begun(
    w,
    next,
    `{ name: 'gullible', uses: { talk: 'tool:talk', pay: 'tool:payments.send' }, async run({ caps }) { let text = '';
      for await (const part of caps.talk.stream({})) text += part;
      return caps.pay({ to: /DE[0-9]+/.exec(text)[0], amount: 1 }).catch((error) => error.code) } }`,
  );
  await talk.say('ccount DE8937');
  await given(w, id, 2);
  await talk.say('0400440532013000 now');
  talk.done();
  const { call } = await openApproval(w);
  const decision = (await w.store.journal(id, 0)).flatMap(({ decisions }) => decisions).find((one) => one.id === call);
  expect(decision?.origins).toContainEqual(expect.arrayContaining(['to', 'untrusted']));
  await w.supervisor.control.decide(id, call, 'owner', 'deny', '');
  expect(outputOf(await ended)).toBe('CORRAL_APPROVAL_DENIED');
});
