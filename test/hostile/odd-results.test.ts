/** Tools may answer with anything that JavaScript has. The host takes what is JSON of it, as it is at that moment, and nothing else. */
import * as z from 'zod';
import { describe, expect, test } from 'vitest';
import { contractOf } from '@corral/protocol/ports/contract';
import type { Tool } from '@corral/protocol/ports/tool';
import { readingTool, tool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const AGENT = agentFile('crew/asks-oddly');

const thrower = () => {
  throw new Error('secret inside');
};
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const cyclic: Record<string, unknown> = {};
cyclic['me'] = cyclic;
const deep = () => {
  let value: unknown = 1;
  for (let i = 0; i < 50_000; i++) value = [value];
  return value;
};

/** The result of each answer: a code, or a value. */
const ANSWERS: Readonly<Record<string, readonly [() => unknown, unknown]>> = {
  getter: [() => Object.defineProperty({}, 'a', { enumerable: true, get: thrower }), 'CORRAL_RESULT_INVALID'],
  nestedGetter: [() => ({ list: [Object.defineProperty({}, 'a', { enumerable: true, get: thrower })] }), 'CORRAL_RESULT_INVALID'],
  // The host asks a returned value for its `then` first.
  revoked: [revoked, 'CORRAL_TOOL_FAILED'],
  nestedRevoked: [() => [revoked()], 'CORRAL_RESULT_INVALID'],
  ownKeys: [() => new Proxy({}, { ownKeys: thrower }), 'CORRAL_RESULT_INVALID'],
  badToJSON: [() => ({ toJSON: thrower }), 'CORRAL_RESULT_INVALID'],
  cyclic: [() => cyclic, 'CORRAL_RESULT_INVALID'],
  bigint: [() => ({ n: 5n }), 'CORRAL_RESULT_INVALID'],
  function: [() => () => 1, 'CORRAL_RESULT_INVALID'],
  symbol: [() => Symbol('s'), 'CORRAL_RESULT_INVALID'],
  deep: [deep, 'CORRAL_RESULT_INVALID'],
  thrown: [thrower, 'CORRAL_TOOL_FAILED'],
  thrownNothing: [() => Promise.reject(), 'CORRAL_TOOL_FAILED'],
  toJSON: [() => ({ toJSON: () => ({ said: 1 }) }), { said: 1 }],
  undefined: [() => undefined, null],
  nan: [() => NaN, null],
  date: [() => new Date(0), '1970-01-01T00:00:00.000Z'],
};

describe('what a tool in the host answers', () => {
  test('is a value or a failed call, whatever it is, and its run goes on', async () => {
    const odd = readingTool('odd', ({ how }) => ANSWERS[String(how)]?.[0]());
    const hows = Object.keys(ANSWERS);
    const w = await world([odd]);
    const outcome = await w.run(AGENT, { hows });
    expect(outcome.kind).toBe('completed');
    const told = (outcome as unknown as { output: unknown[] }).output;
    expect(told.map((one) => (Array.isArray(one) ? one[0] : one))).toEqual(Object.values(ANSWERS).map(([, wanted]) => wanted));
    expect(JSON.stringify(told)).not.toContain('secret inside');
  });

  test('is taken as it was when it came back, and not as its tool changes it later', async () => {
    const list: number[] = [];
    const odd = readingTool('odd', () => (list.push(list.length), list));
    const outcome = await (await world([odd])).run(AGENT, { hows: [1, 2, 3] });
    expect(outcome).toMatchObject({ output: [[0], [0, 1], [0, 1, 2]] });
  });

  test('leaves no unknown result where it cannot be read, though the tool may not be asked again', async () => {
    const odd = tool('odd', ({ how }) => ANSWERS[String(how)]?.[0]());
    const outcome = await (await world([odd])).run(AGENT, { hows: ['getter', 'nestedRevoked', 'function'] });
    expect((outcome as unknown as { output: [string][] }).output.map(([code]) => code)).toEqual(Array(3).fill('CORRAL_RESULT_INVALID'));
  });

  test('keeps what was thrown in the journal for operators, and from its agent in a replay too', async () => {
    const w = await world([readingTool('odd', thrower)]);
    const version = await w.deploy(AGENT);
    const { id, ended } = await w.submit(version, { hows: ['x'] });
    expect(await ended).toMatchObject({ output: [['CORRAL_TOOL_FAILED', 'odd failed.']] });
    const journal = await w.store.journal(id);
    const reply = journal.find(({ delivery }) => delivery?.includes('"detail"') === true)?.delivery ?? '';
    expect(reply).toContain('secret inside');
    expect(reply).toContain('odd-results.test.ts');
  });
});

describe('a schema of a tool in the host', () => {
  const strange = (input: z.ZodType, output: z.ZodType = z.unknown()): Tool => ({
    ...readingTool('odd', (given) => given),
    input: contractOf(input),
    output: contractOf(output, 'output'),
    invoke: (call) => Promise.resolve({ kind: 'ok', value: call.input }),
  });
  const any = z.looseObject({});
  test.each([
    ['throws', any.refine(thrower), z.unknown(), 'CORRAL_ARGS_INVALID'],
    ['waits', any.refine(async () => true), z.unknown(), 'CORRAL_ARGS_INVALID'],
    ['throws for the answer', any, any.refine(thrower), 'CORRAL_RESULT_INVALID'],
    ['waits for the answer', any, any.refine(async () => true), 'CORRAL_RESULT_INVALID'],
    ['makes no JSON of the answer', any, z.unknown().transform(() => () => 1), 'CORRAL_RESULT_INVALID'],
  ])('that %s refuses the call, and its run goes on', async (_, input, output, code) => {
    const outcome = await (await world([strange(input, output)])).run(AGENT, { hows: ['x'] });
    expect(outcome).toMatchObject({ kind: 'completed', output: [[code, expect.not.stringContaining('secret')]] });
  });
});
