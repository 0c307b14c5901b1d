import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Json } from '@corral/protocol/json';
import type { Tool, ToolCall } from '@corral/protocol/ports/tool';
import type { ToolNews } from './keeper.ts';
import { ToolHost } from './tool-host.ts';

const url = new URL('../fixtures/tools.ts', import.meta.url).href;
let host: ToolHost;
let tools: readonly Tool[];
let news: ToolNews[];

beforeEach(async () => {
  news = [];
  host = await ToolHost.open({
    url,
    lent: {},
    env: { ...process.env, CORRAL_MASTER_KEY: 'the key' },
    secret: (name) => (name === 'token' ? Promise.resolve('hunter2') : Promise.reject(new Error(`no secret ${name}`))),
    tell: (one) => news.push(one),
  });
  tools = await host.make();
});
afterEach(() => host.close(0));

const named = (name: string) => tools.find((one) => one.name === name) as Tool;
function ask(name: string, input: Json, signal = new AbortController().signal, tenant = 't') {
  const call = { input, idempotency_key: 'run_x:1', attempt: 1, run: 'run_x', tenant, signal };
  return named(name).invoke(call as unknown as ToolCall);
}
const IN_TIME = { timeout: 20_000 };
const told = async (kind: ToolNews['kind']) => {
  await vi.waitFor(() => expect(news.map((one) => one.kind)).toContain(kind), IN_TIME);
  return news.filter((one) => one.kind === kind);
};

/** Waits until tools have written this line to their error output so often. */
const heard = (line: string, times = 1) =>
  vi.waitFor(() => expect(news.filter(({ text }) => text === line).length).toBeGreaterThanOrEqual(times), IN_TIME);

/** A call that goes on until `end`, whose answer shows that its process was there all the time. */
function goingOn(tenant?: string): { readonly end: () => Promise<unknown> } {
  const abort = new AbortController();
  const result = ask('waits', {}, abort.signal, tenant);
  return {
    end: () => {
      abort.abort();
      return result;
    },
  };
}

describe('processes of tenants', () => {
  const READ = { how: 'pid' };
  const of = (tenant: string, name: string, input: Json) => ask(name, input, undefined, tenant);
  const bounded = async (options: { readonly processes?: number; readonly idle_ms?: number }) => {
    await host.close(0);
    host = await ToolHost.open({
      url,
      lent: {},
      env: process.env,
      secret: () => Promise.reject(new Error('none')),
      tell: (one) => news.push(one),
      ...options,
    });
    tools = await host.make();
  };
  const runs = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const pidOf = async (tenant: string) => ((await of(tenant, 'read', READ)) as { readonly value: number }).value;

  test('are as many as there may be: one that has no call makes room, and the others are waited for', { timeout: 30_000 }, async () => {
    await bounded({ processes: 2 });
    const first = await pidOf('a');
    const going = of('b', 'sleeps', { ms: 2_000 });
    expect(await pidOf('c')).not.toBe(first);
    await vi.waitFor(() => expect(runs(first)).toBe(false), IN_TIME);
    const busy = of('c', 'sleeps', { ms: 2_000 });
    expect(await of('d', 'read', { how: 'ok' })).toEqual({ kind: 'ok', value: { n: 1 } });
    expect(await Promise.all([going, busy])).toEqual([1, 2].map(() => ({ kind: 'ok', value: 'slept' })));
  });

  test('that all have calls let one more tenant’s call fail as one that may be made again', { timeout: 30_000 }, async () => {
    await bounded({ processes: 1 });
    const abort = new AbortController();
    const going = ask('waits', {}, abort.signal, 'a');
    expect(await of('b', 'read', READ)).toMatchObject({
      kind: 'failed',
      retryable: true,
      message: expect.stringContaining('all 1 processes'),
    });
    abort.abort();
    expect(await going).toMatchObject({ kind: 'ok' });
    expect(await of('b', 'read', { how: 'ok' })).toMatchObject({ kind: 'ok' });
  });

  test('that had no call for a while are ended, all but the one that was used last', { timeout: 30_000 }, async () => {
    await bounded({ idle_ms: 100 });
    const [first, second] = [await pidOf('a'), await pidOf('b')];
    await vi.waitFor(() => expect(runs(first)).toBe(false), IN_TIME);
    expect(await pidOf('b')).toBe(second);
    expect(await pidOf('a')).not.toBe(first);
    expect(news.filter(({ kind }) => kind !== 'output')).toEqual([]);
  });
});

describe('a configuration in a process of its own', () => {
  test('says what it has as data, with JSON Schema, and is not loaded by the host', () => {
    expect(host.loaded.rest).toEqual({ answer: 42 });
    expect(named('transforms')).toMatchObject({
      input: { schema: { type: 'object', required: ['at', 'upper', 'waited'] } },
      annotations: { destructive: true, returns: 'untrusted' },
    });
    expect(Object.keys(host.loaded.files)).toContain(url);
  });

  test('answers, with what JSON Schema cannot say done over there', async () => {
    expect(await ask('read', { how: 'ok' })).toEqual({ kind: 'ok', value: { n: 1 } });
    const input = { at: '1970-01-01T00:00:01Z', upper: 'a', waited: 'yes' };
    expect(await ask('transforms', input)).toEqual({ kind: 'ok', value: { at: 1000, upper: 'A', made: 'made!' } });
    expect(await ask('transforms', { ...input, waited: 'no' })).toMatchObject({
      kind: 'failed',
      code: 'CORRAL_ARGS_INVALID',
      message: expect.stringContaining('waited: must not be no'),
    });
    expect(await ask('refined', { s: '' })).toMatchObject({ code: 'CORRAL_ARGS_INVALID', detail: expect.stringContaining('hunter2') });
    expect(await ask('charges', {})).toEqual({ kind: 'ok', value: 1, cost: { tokens: 7 } });
  });

  test('has its arguments checked by the host, defaults filled in and unknown members left out', () => {
    expect(named('read').input.check({ how: 1 })).toMatchObject({ ok: false, where: 'how' });
    expect(named('read').input.check({ more: 1 })).toEqual({ ok: true, value: { how: 'ok' } });
  });

  test('is given secrets one by one, signals, and no key of the host', async () => {
    expect(await ask('secret', { name: 'token' })).toEqual({ kind: 'ok', value: 'hunter2' });
    expect(await ask('secret', { name: 'other' })).toMatchObject({
      kind: 'failed',
      message: 'secret failed.',
      detail: expect.stringContaining('no secret other'),
    });
    expect(await ask('read', { how: 'env' })).toEqual({ kind: 'ok', value: 'none' });
    const abort = new AbortController();
    const waiting = ask('waits', {}, abort.signal);
    await ask('read', { how: 'ok' });
    abort.abort(new DOMException('enough', 'TimeoutError'));
    expect(await waiting).toEqual({ kind: 'ok', value: ['TimeoutError', 'run_x:1'] });
  });

  test.each([
    ['said', { kind: 'failed', message: 'There is none left.' }],
    ['thrown', { kind: 'failed', message: 'read failed.', detail: expect.stringContaining('hunter2') }],
    ['getter', { kind: 'failed', code: 'CORRAL_RESULT_INVALID', detail: expect.stringContaining('hunter2') }],
    ['revoked', { kind: 'failed', code: 'CORRAL_RESULT_INVALID' }],
    ['badToJSON', { kind: 'failed', code: 'CORRAL_RESULT_INVALID' }],
    ['function', { kind: 'failed', code: 'CORRAL_RESULT_INVALID' }],
    ['bigint', { kind: 'failed', code: 'CORRAL_RESULT_INVALID' }],
    ['big', { kind: 'failed', code: 'CORRAL_RESULT_TOO_LARGE' }],
    ['exits', { kind: 'failed', detail: expect.stringContaining('process.exit(3)') }],
  ])('that answers %s leaves a failed call and the process as it was', async (how, result) => {
    const before = await ask('read', { how: 'pid' });
    expect(await ask('read', { how })).toMatchObject(result);
    expect(await ask('read', { how: 'pid' })).toEqual(before);
  });

  test('whose result changes later has answered what it was', async () => {
    expect(await Promise.all([1, 2, 3].map(() => ask('read', { how: 'shared' })))).toEqual(
      [[0], [0, 1], [0, 1, 2]].map((value) => ({ kind: 'ok', value })),
    );
  });

  test.each(['throwsLate', 'rejectsLate', 'exitsLate'])('that %s has answered, is told of and replaced', async (how) => {
    const before = await ask('read', { how: 'pid' });
    expect(await ask('read', { how })).toEqual({ kind: 'ok', value: 'ok' });
    expect((await told('uncaught'))[0]).toMatchObject({ tool: 'read', text: expect.stringContaining('tools.ts') });
    await told('restarted');
    expect(await ask('read', { how: 'pid' })).not.toEqual(before);
  });

  test('that throws while its call is under way leaves that call unknown, and the others to end where they are', async () => {
    const beside = ask('sleeps', { ms: 400 });
    expect(await ask('change', { how: 'throwsMeanwhile' })).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('hunter2') });
    await told('restarted');
    expect(await beside).toEqual({ kind: 'ok', value: 'slept' });
    expect((await told('uncaught'))[0]).toMatchObject({ tool: 'change' });
  });

  test.each(['aborts', 'segfaults', 'closesPipe', 'garbage', 'nonsense', 'eats'])(
    'that %s leaves every call of its process unknown, and is there again',
    { timeout: 60_000 },
    async (how) => {
      const beside = ask('sleeps', { ms: 60_000 });
      expect(await ask('change', { how })).toMatchObject({ kind: 'unknown' });
      expect(await beside).toMatchObject({ kind: 'unknown' });
      expect(await ask('read', { how: 'ok' })).toEqual({ kind: 'ok', value: { n: 1 } });
    },
  );

  test('in which code is stuck is killed once its call is given up', { timeout: 30_000 }, async () => {
    const abort = new AbortController();
    const stuck = ask('read', { how: 'spins' }, abort.signal);
    await heard('spins');
    abort.abort();
    expect(await stuck).toMatchObject({ kind: 'unknown' });
    expect(await ask('read', { how: 'ok' })).toMatchObject({ kind: 'ok' });
  });

  test.each([
    ['slow.pattern', { s: `${'a'.repeat(40)}!` }],
    ['slow.transform', { s: `${'a'.repeat(40)}!` }],
  ])('refuses a call whose check by %s takes for ever, and ends no other one', { timeout: 30_000 }, async (name, input) => {
    const [beside, pid] = [goingOn(), await ask('read', { how: 'pid' })];
    const stuck = ask(name, input);
    expect(await ask(name, { s: 'aaa' })).toEqual({ kind: 'ok', value: 1 });
    expect(await stuck).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
    expect(await ask(name, { s: 'b' })).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
    expect(await ask(name, { s: 'a' })).toEqual({ kind: 'ok', value: 1 });
    expect(await ask('read', { how: 'pid' })).toEqual(pid);
    expect(await beside.end()).toMatchObject({ kind: 'ok' });
  });

  test('refuses an answer whose check by its own output takes for ever, and ends no other call', { timeout: 60_000 }, async () => {
    const [beside, pid] = [goingOn(), await ask('read', { how: 'pid' })];
    const abort = new AbortController();
    const stuck = ask('slow.answer', { s: `${'a'.repeat(40)}!` });
    const given_up = ask('slow.answer', { s: `${'a'.repeat(40)}!` }, abort.signal);
    await heard('answers', 2);
    abort.abort();
    expect(await ask('slow.answer', { s: 'aaa' })).toEqual({ kind: 'ok', value: 'aaa' });
    expect(await stuck).toMatchObject({ kind: 'failed', code: 'CORRAL_RESULT_INVALID' });
    expect(await given_up).toMatchObject({ kind: 'failed', code: 'CORRAL_RESULT_INVALID' });
    expect(await ask('slow.answer', { s: 'b' })).toMatchObject({ kind: 'failed', code: 'CORRAL_RESULT_INVALID' });
    expect(await ask('read', { how: 'pid' })).toEqual(pid);
    expect(await beside.end()).toMatchObject({ kind: 'ok' });
  });

  test('takes what a call answers that was given up, once it had its trial', { timeout: 30_000 }, async () => {
    const abort = new AbortController();
    const going = ask('answers.later', { ms: 500 }, abort.signal);
    await heard('begins');
    abort.abort();
    expect(await going).toEqual({ kind: 'ok', value: 'aaa' });
  });

  test('ends no other call by one that is given up while what passed its trial is checked again', { timeout: 30_000 }, async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const [beside, waits] = [goingOn(), ask('waits', {}, second.signal)];
    const held = ask('slow.check', { ms: 1_800 }, first.signal);
    await heard('holds', 2);
    first.abort();
    // Later than the process has time to answer after the first was given up, and before the check is over.
    await sleep(1_400);
    second.abort();
    expect(await held).toEqual({ kind: 'ok', value: 1 });
    expect(await waits).toMatchObject({ kind: 'ok' });
    expect(await beside.end()).toMatchObject({ kind: 'ok' });
  });

  test('blames the call whose check hangs, and none whose check was under way beside it', { timeout: 60_000 }, async () => {
    // All processes are started first, so that the checks below begin at once.
    expect(await ask('slow.later', { next: 'fits' })).toEqual({ kind: 'ok', value: 1 });
    const hangs = ask('slow.later', { next: 'hangs' });
    await heard('waits and hangs');
    const beside = [1, 2].map(() => ask('slow.later', { next: 'fits' }));
    expect(await Promise.all(beside)).toEqual([1, 2].map(() => ({ kind: 'ok', value: 1 })));
    expect(await hangs).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
    expect(await ask('slow.later', { next: 'fits' })).toEqual({ kind: 'ok', value: 1 });
  });

  test('ends nothing by several checks that only together take too long', { timeout: 60_000 }, async () => {
    const held = [1, 2, 3].map(() => ask('slow.check', { ms: 1_500 }));
    expect(await Promise.all(held)).toEqual([1, 2, 3].map(() => ({ kind: 'ok', value: 1 })));
    expect(news.filter(({ kind }) => kind === 'ended')).toEqual([]);
  });

  test('has not begun a call that is given up while its arguments are checked', { timeout: 30_000 }, async () => {
    const abort = new AbortController();
    const stuck = ask('slow.pattern', { s: `${'a'.repeat(40)}!` }, abort.signal);
    // A pattern cannot say that it is being tried.
    await sleep(300);
    abort.abort();
    expect(await stuck).toMatchObject({ kind: 'failed', cost: { tokens: 0, money_micros: 0 } });
  });

  test('in a process for each tenant: one that hangs or dies there ends no call of another tenant', { timeout: 30_000 }, async () => {
    const other = 'another tenant';
    const beside = goingOn(other);
    expect(await ask('read', { how: 'pid' })).not.toEqual(await ask('read', { how: 'pid' }, undefined, other));
    const abort = new AbortController();
    const stuck = ask('read', { how: 'spins' }, abort.signal);
    await heard('spins');
    abort.abort();
    expect(await stuck).toMatchObject({ kind: 'unknown' });
    expect(await ask('change', { how: 'closesPipe' })).toMatchObject({ kind: 'unknown' });
    expect(await beside.end()).toMatchObject({ kind: 'ok' });
  });

  test('that floods its output is heard in part, and works', async () => {
    expect(await ask('read', { how: 'floods' })).toEqual({ kind: 'ok', value: 'ok' });
    await told('output');
    expect(news.length).toBeLessThan(500);
  });

  test('takes no call after its end, and lets those under way finish', async () => {
    const going = ask('sleeps', { ms: 200 });
    const closing = host.close(5_000);
    expect(await ask('read', { how: 'ok' })).toMatchObject({ kind: 'failed', retryable: true });
    expect(await going).toEqual({ kind: 'ok', value: 'slept' });
    await closing;
  });

  test.each([0, 1])('takes what a call answers during its end, where %i answers had a trial before', async (before) => {
    for (let i = 0; i < before; i++) await ask('answers.later', { ms: 1 });
    const going = ask('answers.later', { ms: 500 });
    const closing = host.close(20_000);
    expect(await going).toEqual({ kind: 'ok', value: 'aaa' });
    await closing;
  });

  test.runIf(process.platform === 'linux')(
    'starts no process after its end for an answer whose trial had not ended',
    { timeout: 30_000 },
    async () => {
      const read = (path: string) => {
        try {
          return readFileSync(path, 'utf8');
        } catch {
          return '';
        }
      };
      const processes = () => {
        const children = readdirSync('/proc/self/task').flatMap((task) => read(`/proc/self/task/${task}/children`).split(' '));
        return children.filter((pid) => read(`/proc/${pid}/cmdline`).includes('host/child'));
      };
      await ask('slow.answer', { s: 'a' });
      const going = ask('slow.answer', { s: `${'a'.repeat(40)}!` });
      // A trial cannot say that it has begun.
      await sleep(500);
      const before = processes();
      expect(before.length).toBeGreaterThan(0);
      await host.close(100);
      expect(await going).toMatchObject({ kind: 'unknown' });
      // Nothing says that no process will be started any more.
      for (let i = 0; i < 50; i++) {
        await sleep(10);
        expect(processes().filter((pid) => !before.includes(pid))).toEqual([]);
      }
    },
  );
});
