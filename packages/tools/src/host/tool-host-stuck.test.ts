/** Code and checks of a configuration that do not end: what is ended with them, and what goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { hosted } from '../fixtures/hosted.ts';

const { now, ask, heard, goingOn } = hosted();

describe('a configuration in a process of its own', () => {
  test('in which code is stuck is killed once its call is given up', async () => {
    const abort = new AbortController();
    const stuck = ask('read', { how: 'spins' }, abort.signal);
    await heard('spins');
    abort.abort();
    expect(await stuck).toMatchObject({ kind: 'unknown' });
    expect(await ask('read', { how: 'ok' })).toMatchObject({ kind: 'ok' });
  });

  test('goes on to compute for a call beside which another one is given up', { tags: 'long' }, async () => {
    const abort = new AbortController();
    const waits = ask('waits', {}, abort.signal);
    const beside = ask('read', { how: 'computes' });
    await heard('holds');
    abort.abort();
    expect(await beside).toEqual({ kind: 'ok', value: true });
    expect(await waits).toMatchObject({ kind: 'ok' });
  });

  test.each([
    ['slow.pattern', { s: `${'a'.repeat(40)}!` }],
    ['slow.transform', { s: `${'a'.repeat(40)}!` }],
  ])('refuses a call whose check by %s takes for ever, and ends no other one', { tags: 'long' }, async (name, input) => {
    const [beside, pid] = [goingOn(), await ask('read', { how: 'pid' })];
    const stuck = ask(name, input);
    expect(await ask(name, { s: 'aaa' })).toEqual({ kind: 'ok', value: 1 });
    expect(await stuck).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
    expect(await ask(name, { s: 'b' })).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
    expect(await ask(name, { s: 'a' })).toEqual({ kind: 'ok', value: 1 });
    expect(await ask('read', { how: 'pid' })).toEqual(pid);
    expect(await beside.end()).toMatchObject({ kind: 'ok' });
  });

  test('refuses an answer whose check by its own output takes for ever, and ends no other call', { tags: 'long' }, async () => {
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

  test('takes what a call answers that was given up, once it had its trial', async () => {
    const abort = new AbortController();
    const going = ask('answers.later', { ms: 500 }, abort.signal);
    await heard('begins');
    abort.abort();
    expect(await going).toEqual({ kind: 'ok', value: 'aaa' });
  });

  test('ends no other call by one that is given up while what passed its trial is checked again', { tags: 'long' }, async () => {
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

  test('blames the call whose check hangs, and none whose check was under way beside it', { tags: 'long' }, async () => {
    // All processes are started first, so that the checks below begin at once.
    expect(await ask('slow.later', { next: 'fits' })).toEqual({ kind: 'ok', value: 1 });
    const hangs = ask('slow.later', { next: 'hangs' });
    await heard('waits and hangs');
    const beside = [1, 2].map(() => ask('slow.later', { next: 'fits' }));
    expect(await Promise.all(beside)).toEqual([1, 2].map(() => ({ kind: 'ok', value: 1 })));
    expect(await hangs).toMatchObject({ kind: 'failed', code: 'CORRAL_ARGS_INVALID' });
    expect(await ask('slow.later', { next: 'fits' })).toEqual({ kind: 'ok', value: 1 });
  });

  test('ends nothing by several checks that only together take too long', { tags: 'long' }, async () => {
    const held = [1, 2, 3].map(() => ask('slow.check', { ms: 1_500 }));
    expect(await Promise.all(held)).toEqual([1, 2, 3].map(() => ({ kind: 'ok', value: 1 })));
    expect(now.news.filter(({ kind }) => kind === 'ended')).toEqual([]);
  });

  test('has not begun a call that is given up while its arguments are checked', async () => {
    const abort = new AbortController();
    const stuck = ask('slow.pattern', { s: `${'a'.repeat(40)}!` }, abort.signal);
    // A pattern cannot say that it is being tried.
    await sleep(300);
    abort.abort();
    expect(await stuck).toMatchObject({ kind: 'failed', cost: { tokens: 0, money_micros: 0 } });
  });
});
