import { describe, expect, test, vi } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { hosted } from '../fixtures/hosted.ts';

const { now, ask, restart, IN_TIME } = hosted();

describe('processes of tenants', () => {
  const READ = { how: 'pid' };
  const of = (tenant: string, name: string, input: Json) => ask(name, input, undefined, tenant);
  const runs = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const pidOf = async (tenant: string) => ((await of(tenant, 'read', READ)) as { readonly value: number }).value;

  test('are as many as there may be: one that has no call makes room, and the others are waited for', async () => {
    await restart({ processes: 2 });
    const first = await pidOf('a');
    const going = of('b', 'sleeps', { ms: 2_000 });
    expect(await pidOf('c')).not.toBe(first);
    await vi.waitFor(() => expect(runs(first)).toBe(false), IN_TIME);
    const busy = of('c', 'sleeps', { ms: 2_000 });
    expect(await of('d', 'read', { how: 'ok' })).toEqual({ kind: 'ok', value: { n: 1 } });
    expect(await Promise.all([going, busy])).toEqual([1, 2].map(() => ({ kind: 'ok', value: 'slept' })));
  });

  test('that all have calls let one more tenant’s call fail as one that may be made again', { tags: 'long' }, async () => {
    await restart({ processes: 1 });
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

  test('that had no call for a while are ended, all but the one that was used last', async () => {
    await restart({ idle_ms: 100 });
    const [first, second] = [await pidOf('a'), await pidOf('b')];
    await vi.waitFor(() => expect(runs(first)).toBe(false), IN_TIME);
    expect(await pidOf('b')).toBe(second);
    expect(await pidOf('a')).not.toBe(first);
    expect(now.news.filter(({ kind }) => kind !== 'output')).toEqual([]);
  });
});
