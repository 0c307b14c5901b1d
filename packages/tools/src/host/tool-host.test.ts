import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { hosted } from '../fixtures/hosted.ts';

const { now, named, ask, told, heard, goingOn } = hosted();

describe('a configuration in a process of its own', () => {
  test('says what it has as data, with JSON Schema, and is not loaded by the host', () => {
    expect(now.host.loaded.rest).toEqual({ answer: 42 });
    expect(named('transforms')).toMatchObject({
      input: { schema: { type: 'object', required: ['at', 'upper', 'waited'] } },
      annotations: { destructive: true, returns: 'untrusted' },
    });
    expect(Object.keys(now.host.loaded.files)).toContain(new URL('../fixtures/tools.ts', import.meta.url).href);
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

  const expectBack = async (how: string) => {
    const beside = ask('sleeps', { ms: 60_000 });
    expect(await ask('change', { how })).toMatchObject({ kind: 'unknown' });
    expect(await beside).toMatchObject({ kind: 'unknown' });
    expect(await ask('read', { how: 'ok' })).toEqual({ kind: 'ok', value: { n: 1 } });
  };
  test.each(['aborts', 'segfaults', 'closesPipe', 'garbage', 'nonsense'])(
    'that %s leaves every call of its process unknown, and is there again',
    (how) => expectBack(how),
  );
  test('that eats all memory leaves every call of its process unknown, and is there again', { tags: 'long' }, () => expectBack('eats'));

  test('in a process for each tenant: one that hangs or dies there ends no call of another tenant', async () => {
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
    expect(now.news.length).toBeLessThan(500);
  });

  test('takes no call after its end, and lets those under way finish', async () => {
    const going = ask('sleeps', { ms: 200 });
    const closing = now.host.close(5_000);
    expect(await ask('read', { how: 'ok' })).toMatchObject({ kind: 'failed', retryable: true });
    expect(await going).toEqual({ kind: 'ok', value: 'slept' });
    await closing;
  });

  test.each([0, 1])('takes what a call answers during its end, where %i answers had a trial before', async (before) => {
    for (let i = 0; i < before; i++) await ask('answers.later', { ms: 1 });
    const going = ask('answers.later', { ms: 500 });
    const closing = now.host.close(20_000);
    expect(await going).toEqual({ kind: 'ok', value: 'aaa' });
    await closing;
  });

  test.runIf(process.platform === 'linux')('starts no process after its end for an answer whose trial had not ended', async () => {
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
    await now.host.close(100);
    expect(await going).toMatchObject({ kind: 'unknown' });
    // Nothing says that no process will be started any more.
    for (let i = 0; i < 50; i++) {
      await sleep(10);
      expect(processes().filter((pid) => !before.includes(pid))).toEqual([]);
    }
  });
});
