import { describe, expect, test } from 'vitest';
import { MACHINE } from '@corral/protocol/limits';
import { ASKS_MODEL, type Tool } from '@corral/protocol/ports/tool';
import { FAILED, moment, OK, RUN, streaming, WAIT_MS } from './fixtures/streaming.ts';

describe('parts of an answer that somebody looks at', () => {
  const held = (tail_chars: number, more: Partial<Tool> = {}) => streaming(more, { stream: { asked: true, tail_chars } });
  const given = ({ chunks }: ReturnType<typeof streaming>) => chunks.flatMap(({ parts }) => parts as string[]).join('');
  const WINDOW_MS = MACHINE.window_wait_ms.default;
  const denied = { id: 1, error: { code: 'CORRAL_DENIED', class: 'Denied', message: 'no', hint: '', retryable: false } } as const;
  const record = { by: {}, verdict: 'deny', policy: 'p', rules: ['r'], cost: { tokens: 5 } } as const;

  test('are given after they were looked at, all but the last characters, which are looked at again with what follows', async () => {
    const one = held(4);
    await one.say('ab', 'cd', 'ef');
    expect(one.looks).toEqual([]);
    await one.pass(WINDOW_MS);
    expect(one.looks.map(({ answer }) => answer)).toEqual([{ id: 1, value: { text: ['abcdef'], rest: [] } }]);
    await one.pass(WAIT_MS);
    expect(one.chunks).toEqual([]);
    one.looks[0]?.say();
    await one.pass(WAIT_MS);
    expect(given(one)).toBe('ab');
    one.kept();
    one.pull();
    await one.say('gh');
    await one.end(OK);
    expect(one.looks[1]?.answer).toMatchObject({ value: { text: ['abcdefgh'], end: 'end' } });
    one.looks[1]?.say();
    expect(given(one)).toBe('abcdefgh');
    expect(one.results).toEqual([]);
    one.kept();
    expect(one.results).toEqual([{ id: 1, value: 'end', cost: { tokens: 3 } }]);
  });

  test('are looked at as a whole where somebody needs that, and are a stream then', async () => {
    const one = held(Number.POSITIVE_INFINITY);
    const said = await one.say(...Array.from({ length: 1_000 }, () => 'a piece '));
    expect(said.every((room) => room === 'room')).toBe(true);
    await one.pass(100 * WINDOW_MS);
    expect(one.looks).toEqual([]);
    await one.end(OK);
    expect(one.looks.length).toBe(1);
    one.looks[0]?.say();
    while (one.results.length === 0) {
      one.kept();
      one.pull();
    }
    expect([given(one), one.chunks.length]).toEqual(['a piece '.repeat(1_000), Math.ceil(1_000 / MACHINE.chunk_parts.default)]);
  });

  test.each([0, 4, Number.POSITIVE_INFINITY])(
    'are not given if they are withheld (%s characters stay): the tool is told, and paid once',
    async (tail) => {
      const one = held(tail);
      await one.say('good ');
      const isWhole = tail === Number.POSITIVE_INFINITY;
      if (!isWhole) {
        await one.pass(WINDOW_MS);
        one.looks[0]?.say();
        await one.pass(WAIT_MS);
        one.kept();
        one.pull();
      }
      await one.say('ba');
      const rest = one.say('d');
      await one.pass(WINDOW_MS);
      if (isWhole) await one.end(OK);
      one.looks.at(-1)?.say({ ...denied, inspected: record });
      await rest;
      expect(one.attempts[0]?.call.signal.aborted).toBe(true);
      if (!isWhole) await one.end({ kind: 'failed', message: 'aborted', cost: { tokens: 3 } });
      one.kept();
      expect(given(one)).toBe(tail === 0 ? 'good ' : '');
      expect(one.results).toEqual([{ ...denied, cost: { tokens: 3 }, inspected: record }]);
      expect((await one.say('more'))[0]).not.toBe('room');
      expect(one.attempts.length).toBe(1);
    },
  );

  test('are shown with all that can hold something: numbers, types, and names of members', async () => {
    const one = held(0);
    await one.say({ type: 't', id: 7, password: 1234 }, { type: 't', id: 7, delta: 'a' }, { type: 't', id: 7, delta: 'b' });
    await one.pass(WINDOW_MS);
    expect(one.looks[0]?.answer).toMatchObject({ value: { text: ['ab'], rest: ['t', 7, 1234, 'type', 'id', 'password', 'delta'] } });
  });

  test('may be asked for again while none was given, and what is said of the first attempt then counts for nothing', async () => {
    const one = held(0);
    await one.say('first');
    await one.pass(WINDOW_MS);
    await one.end(FAILED);
    await one.pass(60_000);
    expect(one.attempts.length).toBe(2);
    await one.say('two');
    one.looks[0]?.say();
    await one.pass(WINDOW_MS);
    expect([given(one), one.looks[1]?.answer.id, one.looks[1]?.answer]).toMatchObject(['', 1, { value: { text: ['two'] } }]);
    one.looks[1]?.say();
    await one.pass(WAIT_MS);
    expect(given(one)).toBe('two');
  });

  test('make the tool wait while they are looked at, and not while it has to say more before any of them is given', async () => {
    const one = held(1_000_000);
    const part = 'x'.repeat(MACHINE.window_bytes.default / 2);
    expect(await one.say(part, part)).toEqual(['room', 'room']);
    const said = await one.say(part, part, part, part, part);
    expect(said.at(-1)).toBe('waits');
    one.looks[0]?.say();
    await moment();
    expect(said.at(-1)).toBe('room');
    expect(one.looks.length).toBe(2);
    // A long stream is looked at less often.
    one.looks[1]?.say();
    for (let i = 0; i < 200; i += 1) {
      await one.say(part);
      one.looks.at(-1)?.say();
    }
    expect(one.looks.length).toBeLessThan(30);
    expect(given(one)).toBe('');
  });

  test('end the stream when more would have to be held back than may be, or the host has no memory for it', async () => {
    const one = held(Number.POSITIVE_INFINITY);
    const part = 'x'.repeat(200_000);
    const most = Math.ceil(MACHINE.held_back_bytes.default / 200_000);
    const said = await one.say(...Array.from({ length: most }, () => part));
    expect(said.at(-1)).toContain('had to be held back');
    await one.end({ kind: 'failed', message: 'aborted' });
    expect(one.results).toMatchObject([{ error: { code: 'CORRAL_RESULT_TOO_LARGE' } }]);
    expect([one.looks.length, one.chunks.length]).toEqual([0, 0]);
    const two = held(Number.POSITIVE_INFINITY);
    two.lacks.why = 'The host is full.';
    expect((await two.say(part, part)).at(-1)).toContain('The host is full.');
    await two.end({ kind: 'failed', message: 'aborted' });
    expect(two.results).toMatchObject([{ error: { code: 'CORRAL_HOST_MEMORY' } }]);
  });

  test('are dropped with the call that its agent gives up; a host that stops loses the stream', async () => {
    const one = held(0);
    await one.say('a');
    await one.pass(WINDOW_MS);
    one.dispatcher.abort(RUN, 1);
    one.looks[0]?.say();
    await one.pass(WAIT_MS);
    await one.end({ kind: 'failed', message: 'aborted' });
    expect([given(one), one.results.length]).toEqual(['', 1]);
    const two = held(0, { annotations: { ...ASKS_MODEL, repeatable: false } });
    await two.say('a');
    await two.end(OK);
    two.dispatcher.stop();
    expect(two.results).toMatchObject([{ error: { code: 'CORRAL_STREAM_LOST' } }]);
    two.looks[0]?.say();
    expect([given(two), two.results.length]).toEqual(['', 1]);
  });
});
