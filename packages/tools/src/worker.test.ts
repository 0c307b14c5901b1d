import { afterAll, describe, expect, test, vi } from 'vitest';
import * as z from 'zod';
import type { ToolCall } from '@corral/protocol/ports/tool';
import { WorkerTools } from './worker.ts';

const thrown: Error[] = [];
const workers = new WorkerTools({ threads: 2, onError: (error) => thrown.push(error) });
afterAll(() => workers.close());

const module = new URL('./fixtures/functions.ts', import.meta.url);
const tool = (name: string) =>
  workers.tool({ name, description: '', input: z.object({ n: z.number() }), output: z.unknown(), module, export: name });
const call = (signal = new AbortController().signal): ToolCall => ({
  input: { n: 21 },
  idempotency_key: 'run_x:1',
  agent: 'a',
  person: 'local',
  attempt: 1,
  run: 'run_x' as never,
  tenant: 't' as never,
  signal,
});

describe('a function tool on a worker', () => {
  test('answers', async () => {
    expect(await tool('double').invoke(call())).toEqual({ kind: 'ok', value: 42 });
    expect(await tool('key').invoke(call())).toEqual({ kind: 'ok', value: 'run_x:1' });
  });

  test('tells the agent what it says itself, and nothing of any other exception', async () => {
    expect(await tool('fail').invoke(call())).toEqual({ kind: 'failed', message: 'There is none left.' });
    const result = await tool('secret').invoke(call());
    expect(result).toMatchObject({ kind: 'failed', message: 'secret failed.' });
    expect(result).toMatchObject({ detail: expect.stringContaining('hunter2') });
  });

  test.each(['aFunction', 'aPromise', 'aGetter'])(
    'that answers what no thread can be given (%s) has failed, and is not unknown',
    async (name) => {
      expect(await tool(name).invoke(call())).toMatchObject({ kind: 'failed', code: 'CORRAL_RESULT_INVALID' });
    },
  );

  test.each(['late', 'lateReject'])('that throws after its answer (%s) has answered, and its host lives', async (name) => {
    const before = thrown.length;
    expect(await tool(name).invoke(call())).toEqual({ kind: 'ok', value: 'ok' });
    await vi.waitFor(() => expect(thrown.length).toBeGreaterThan(before), { timeout: 20_000 });
    expect(thrown.at(-1)?.message).toBe('later');
    expect(await tool('double').invoke(call())).toEqual({ kind: 'ok', value: 42 });
  });

  test('whose worker died leaves an unknown result', async () => {
    expect(await tool('die').invoke(call())).toMatchObject({ kind: 'unknown' });
    expect(await tool('double').invoke(call())).toEqual({ kind: 'ok', value: 42 });
  });

  test('that had to be stopped leaves an unknown result, and the thread is free again', async () => {
    const abort = new AbortController();
    const hanging = new BroadcastChannel('hanging');
    let both = 0;
    hanging.addEventListener('message', () => (both += 1));
    const going = Promise.all([tool('hang').invoke(call(abort.signal)), tool('hang').invoke(call(abort.signal))]);
    await vi.waitFor(() => expect(both).toBe(2), { timeout: 20_000 });
    hanging.close();
    abort.abort();
    expect(await going).toEqual([expect.objectContaining({ kind: 'unknown' }), expect.objectContaining({ kind: 'unknown' })]);
    expect(await tool('double').invoke(call())).toEqual({ kind: 'ok', value: 42 });
  });

  test('is not started when it was given up before', async () => {
    expect(await tool('double').invoke(call(AbortSignal.abort()))).toMatchObject({ kind: 'failed' });
  });
});
