import { describe, expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { DEFAULT_CEILINGS, MACHINE } from '@corral/protocol/limits';
import { ASKS_MODEL, type Tool, type ToolResult } from '@corral/protocol/ports/tool';
import { FAILED, moment, OK, RUN, streaming, WAIT_MS } from './fixtures/streaming.ts';

describe('parts', () => {
  test('are given together, a little after the first of them, and only to a run that has asked', async () => {
    const one = streaming();
    await one.say('a');
    await one.pass(WAIT_MS - 1);
    one.pull();
    await one.say('b');
    expect(one.chunks).toEqual([]);
    await one.pass(1);
    expect(one.chunks).toEqual([{ kind: 'chunk', id: 1, offset: 0, parts: ['a', 'b'] }]);
    await one.say('c');
    await one.pass(10 * WAIT_MS);
    expect(one.chunks.length).toBe(1);
    one.kept();
    one.pull();
    expect(one.chunks[1]).toEqual({ kind: 'chunk', id: 1, offset: 2, parts: ['c'] });
  });

  test.each([
    ['parts', Array.from({ length: 100 }, (_, i) => i), MACHINE.chunk_parts.default],
    ['bytes', Array.from({ length: 6 }, () => 'x'.repeat(MACHINE.chunk_bytes.default / 4)), 4],
  ])('that are enough %s for one chunk do not wait for more', async (_, parts, first) => {
    const one = streaming();
    one.pull();
    await one.say(...parts);
    expect(one.chunks.map((chunk) => chunk.parts.length)).toEqual([first]);
  });

  test('are taken from a tool only as far as there is room, and it waits for the rest', async () => {
    const one = streaming();
    const said = await one.say(...Array.from({ length: MACHINE.stream_parts.default }, (_, i) => i));
    expect(said.slice(0, -1).every((room) => room === 'room')).toBe(true);
    expect(said.at(-1)).toBe('waits');
    one.pull();
    await moment();
    expect(said.at(-1)).toBe('room');
  });

  test('of a run for which nothing more may be kept are taken one at a time', async () => {
    const one = streaming();
    one.lacks.why = 'The host is full.';
    const said = await one.say('a');
    expect(said).toEqual(['waits']);
    one.pull();
    await one.pass(WAIT_MS);
    expect([said, one.chunks.length]).toEqual([['room'], 1]);
    expect([...one.dispatcher.streams.waiting()]).toEqual([]);
  });

  test.each<[string, Partial<Tool>, Json[], string]>([
    ['is larger than a result may be', {}, ['x'.repeat(DEFAULT_CEILINGS.message_bytes)], 'CORRAL_RESULT_TOO_LARGE'],
    ['breaks its schema', { part: { schema: {}, check: () => ({ ok: false, where: 'a', message: 'no' }) } }, [1], 'CORRAL_RESULT_INVALID'],
    ['is handed over by a tool that does not wait', {}, Array.from({ length: 600 }, (_, i) => i), 'CORRAL_RESULT_TOO_LARGE'],
  ])('end the stream if one %s: the parts before it are given, and then the code', async (_, more, parts, code) => {
    const one = streaming(more);
    await one.say('fine', ...parts);
    expect(one.attempts[0]?.call.signal.aborted).toBe(true);
    await one.end({ kind: 'failed', message: 'aborted', cost: { tokens: 2 } });
    for (let i = 0; i < 20 && one.results.length === 0; i++) {
      one.pull();
      await one.pass(WAIT_MS);
      one.kept();
    }
    expect(one.chunks[0]?.parts[0]).toBe(more.part === undefined ? 'fine' : undefined);
    expect(one.results).toMatchObject([{ id: 1, error: { code }, cost: { tokens: 2 } }]);
    expect(one.attempts.length).toBe(1);
  });
});

describe('the end', () => {
  test('is told once the run was given all parts and the last of them is durable', async () => {
    const one = streaming();
    await one.say('a');
    await one.end(OK);
    expect(one.results).toEqual([]);
    one.pull();
    expect([one.chunks.length, one.results]).toEqual([1, []]);
    one.kept();
    expect(one.results).toEqual([{ id: 1, value: 'end', cost: { tokens: 3 } }]);
    expect(one.dispatcher.size).toBe(0);
  });

  // The planted bug end-before-durable, which the simulator finds as well.
  test('that comes while the last chunk is under way is told once that chunk is durable', async () => {
    const one = streaming();
    one.pull();
    await one.say('a');
    await one.pass(WAIT_MS);
    expect(one.chunks.length).toBe(1);
    await one.end(OK);
    expect(one.results).toEqual([]);
    one.kept();
    expect(one.results).toMatchObject([{ id: 1, value: 'end' }]);
  });

  test('needs nobody to ask for it', async () => {
    const one = streaming();
    await one.end(OK);
    expect(one.results).toMatchObject([{ value: 'end' }]);
  });

  test('is that of the contract for ends, if the tool has one', async () => {
    const one = streaming({ end: { schema: {}, check: () => ({ ok: false, where: '', message: 'no' }) } });
    await one.end(OK);
    expect(one.results).toMatchObject([{ error: { code: 'CORRAL_RESULT_INVALID' } }]);
  });

  test('comes at once when the call is given up: its parts are dropped, the tool is told, and its bill counts', async () => {
    const one = streaming();
    await one.say('a', 'b');
    expect(one.dispatcher.abort(RUN, 1)).toBe(true);
    expect(await one.say('c')).toEqual(['The agent gave the call up.']);
    await one.end({ kind: 'failed', message: 'aborted', cost: { tokens: 9 } });
    expect([one.chunks, one.results]).toEqual([[], [{ id: 1, error: expect.anything() as unknown, cost: { tokens: 9 } }]]);
  });

  test('comes at once when the call is given up after its tool has ended', async () => {
    const one = streaming();
    await one.say('a');
    await one.end(OK);
    one.dispatcher.abort(RUN, 1);
    expect([one.chunks, one.results]).toEqual([[], [{ id: 1, value: 'end', cost: { tokens: 3 } }]]);
  });
});

describe('an attempt that fails', () => {
  test('before a part was given is made again, and what it had handed over is dropped; it is billed', async () => {
    const one = streaming({}, { price: { each: { tokens: 50 }, moves: 0 } });
    await one.say('lost', 'lost');
    await one.end(FAILED);
    one.pull();
    await one.pass(WAIT_MS);
    expect(one.chunks).toEqual([]);
    await one.pass(1_000);
    expect(one.attempts.length).toBe(2);
    expect(await one.say('a')).toEqual(['room']);
    await one.pass(WAIT_MS);
    expect(one.chunks).toMatchObject([{ offset: 0, parts: ['a'] }]);
    await one.end(OK);
    one.kept();
    expect(one.results).toMatchObject([{ value: 'end', attempts: 2, cost: { tokens: 53 } }]);
  });

  test('cannot hand over anything once the next one is made', async () => {
    const one = streaming();
    const [first] = one.attempts;
    await one.end(FAILED);
    await one.pass(1_000);
    await expect(first?.call.part?.('late')).rejects.toThrow('ended');
  });

  test.each<[string, ToolResult | 'timeout']>([
    ['fails as retryable', FAILED],
    ['is lost', { kind: 'unknown', message: 'the process died' }],
    ['takes too long', 'timeout'],
  ])('after a part was given is not made again: it %s, and the stream is lost', async (_, result) => {
    const one = streaming();
    one.pull();
    await one.say('a');
    await one.pass(WAIT_MS);
    await one.say('b');
    if (result === 'timeout') await one.pass(MACHINE.call_timeout_ms.default);
    else await one.end(result);
    one.kept();
    one.pull();
    expect(one.chunks.flatMap(({ parts }) => parts)).toEqual(['a', 'b']);
    one.kept();
    expect(one.attempts.length).toBe(1);
    const message = expect.stringContaining('after 2 parts') as string;
    expect(one.results).toMatchObject([{ id: 1, error: { code: 'CORRAL_STREAM_LOST', message } }]);
  });

  test('for good keeps its own error, after the parts before it', async () => {
    const one = streaming();
    one.pull();
    await one.say('a');
    await one.end({ kind: 'failed', message: 'The content was filtered.' });
    one.kept();
    expect(one.results).toMatchObject([{ error: { code: 'CORRAL_TOOL_FAILED', message: 'The content was filtered.' } }]);
  });

  test('and may not be repeated is for people, and what waits of it is dropped', async () => {
    const one = streaming({ annotations: { ...ASKS_MODEL, repeatable: false } });
    await one.say('a');
    await one.end({ kind: 'unknown', message: 'the process died' });
    one.pull();
    expect([one.unknown, one.chunks, one.results, one.dispatcher.size]).toEqual([['the process died'], [], [], 0]);
  });

  test('and may not be repeated is for people at once where its chunk was dropped before, since the call was given up', async () => {
    const one = streaming({ annotations: { ...ASKS_MODEL, repeatable: false } });
    one.pull();
    await one.say('a');
    await one.pass(WAIT_MS);
    one.dispatcher.abort(RUN, 1);
    await one.end({ kind: 'unknown', message: 'the process died' });
    expect([one.chunks.length, one.unknown, one.dispatcher.size]).toEqual([1, ['the process died'], 0]);
  });

  test.each<[string, (one: ReturnType<typeof streaming>) => void]>([
    ['taken back from its run', (one) => one.takesBack[0]?.()],
    ['read', (one) => one.kept()],
    ['not awaited any more, since the call is given up', (one) => void one.dispatcher.abort(RUN, 1)],
    ['not awaited any more, since the host stops', (one) => one.dispatcher.stop()],
  ])('and may not be repeated is for people once its last chunk is %s', async (_, over) => {
    const one = streaming({ annotations: { ...ASKS_MODEL, repeatable: false } });
    one.pull();
    await one.say('a');
    await one.pass(WAIT_MS);
    await one.say('b');
    await one.end({ kind: 'unknown', message: 'the process died' });
    expect([one.chunks.length, one.unknown, one.dispatcher.size]).toEqual([1, [], 1]);
    over(one);
    one.pull();
    expect([one.chunks.length, one.unknown, one.results, one.dispatcher.size]).toEqual([1, ['the process died'], [], 0]);
  });
});

describe('a host that stops', () => {
  test('drops a stream that the next one asks for again, and does not wait for it', async () => {
    const one = streaming();
    await one.say('a');
    expect(one.dispatcher.isAwaited).toBe(false);
    one.dispatcher.stop();
    expect(await one.say('b')).toEqual(['The host stops.']);
    expect([one.results, one.dispatcher.size]).toEqual([[], 0]);
  });

  test('says of one that may not be asked for again that parts of its answer were lost', async () => {
    const one = streaming({ annotations: { ...ASKS_MODEL, repeatable: false } });
    await one.say('a');
    await one.end(OK);
    one.dispatcher.stop();
    expect(one.results).toMatchObject([{ error: { code: 'CORRAL_STREAM_LOST' }, cost: { tokens: 3 } }]);
  });
});
