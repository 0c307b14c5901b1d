/** An agent that replaces what V8 gives it changes its own code, and neither the prelude, the clock, the randomness nor a replay. */
import { describe, expect, test } from 'vitest';
import { bundleWith, expectNameUnread, expectUsual, finishOf, live, namesOfPrelude, places, usual, withAll } from './fixtures/tampered.ts';

describe('everything that an agent can replace', () => {
  test('is replaced by a spy, and the prelude calls and reads none of them', () => {
    const lived = live(withAll(), true);
    expect([lived.fault, lived.again]).toEqual([undefined, undefined]);
    const { calls, ...output } = finishOf(lived)['output'] as Readonly<Record<string, unknown>> & { readonly calls: readonly string[] };
    expect(output).toEqual(finishOf(usual)['output']);
    // V8 asks each value that a promise is resolved with for `then`, each object that is written as JSON for `toJSON`, and how stacks are
    // formatted: these belong to an agent.
    const own = /^(?:Object\.prototype\.(?:then|toJSON)|global\.Error\.prepareStackTrace) /;
    expect(calls.filter((call) => !own.test(call))).toEqual([]);
  });

  test('is replaced by what throws, object by object, and the run ends as it would have, live and replayed', { timeout: 240_000 }, () => {
    const all = places();
    expect(all.reduce((sum, { keys }) => sum + keys.length, 0)).toBeGreaterThan(900);
    // A function's own name and length are read by nobody; tampering.long.test.ts replaces them too.
    for (const place of all) if (place.keys.some((key) => key !== 'name' && key !== 'length')) expectUsual(place);
  });
});

// Bug object-prototype-get: the handlers of proxies inherited what an agent put on Object.prototype; V8 called it with the real Date.
test(
  'a getter and a setter on Object.prototype or Array.prototype that throw are met by no name of the prelude',
  { timeout: 240_000 },
  () => {
    const names = namesOfPrelude();
    expect(names.length).toBeGreaterThan(300);
    for (const name of names.filter((_, i) => i < 20 || i % 12 === 0)) expectNameUnread('Object', name);
    for (const name of ['0', '1', '2', 'toJSON', 'then', 'get', 'value']) expectNameUnread('Array', name);
  },
);

const STORIES: readonly (readonly [name: string, head: string, body: string, output: unknown])[] = [
  [
    'Reflect.construct, and then asks Date for the time',
    `let real; const construct = Reflect.construct; Reflect.construct = (target, args) => { real ??= target; return construct(target, args) };`,
    `new Date(1); return [typeof real, new Date().getTime() - input.at]`,
    ['undefined', 0],
  ],
  [
    'what proxies inherit, and then asks Date for the time',
    `let real; for (const trap of ['get', 'has', 'ownKeys', 'set', 'getPrototypeOf', 'defineProperty'])
       Object.defineProperty(Object.prototype, trap, { __proto__: null, value: function (target) { if (typeof target === 'function') real ??= target; return undefined } });`,
    `Date.now; 'now' in Date; Object.keys(Date); Uint8Array.from; return [typeof real, new Date().getTime() - input.at]`,
    ['undefined', 0],
  ],
  [
    'RegExp.prototype.test and asks for more bytes than there are',
    `RegExp.prototype.test = () => false; RegExp.prototype.exec = () => null; Object.defineProperty(RangeError, Symbol.hasInstance, { value: () => false });`,
    `const hoard = []; for (;;) try { hoard.push(new Uint8Array(5e6)) } catch (error) { return error.message }`,
    'memory',
  ],
  [
    'the iterator of arrays and asks for more bytes than there are',
    `const next = [][Symbol.iterator]().__proto__.next; let caught; [][Symbol.iterator]().__proto__.next = function () { try { return next.call(this) } catch (error) { caught = error } };`,
    `const hoard = []; for (;;) try { hoard.push(new ArrayBuffer(8).transfer(5e6)) } catch (error) { return error.message }`,
    'memory',
  ],
  [
    'Array.prototype.join to send more than a crank may',
    `Array.prototype.join = () => '{"kind":"log","level":"info","text":"' + 'x'.repeat(5e6) + '"}';`,
    `return 'short'`,
    'short',
  ],
  [
    'JSON.stringify to say what the prelude did not',
    `JSON.stringify = () => '{"kind":"finish","output":"forged"}';`,
    `return 'true'`,
    'true',
  ],
  [
    'the toJSON of everything to say what the prelude did not',
    `Object.prototype.toJSON = function () { return typeof this === 'object' && 'kind' in this ? { kind: 'finish', output: 'forged' } : this };`,
    `return 'true'`,
    'true',
  ],
];

test.each(STORIES)('an agent that replaces %s', (_, head, body, output) => {
  const { effects, fault, again } = live(bundleWith(head, body));
  expect(fault?.fault ?? effects.at(-1)?.['output']).toEqual(output);
  expect(again).toBeUndefined();
});

// Bug trace-throws: the agent's own formatter of stacks ran in console.trace, and what it threw left the console.
test('an agent whose own formatter of stacks throws can still trace', () => {
  const head = `Error.prepareStackTrace = () => { throw new Error('mine') };`;
  const { effects } = live(bundleWith(head, `console.trace('here'); return 'went on'`));
  expect(effects).toMatchObject([
    { kind: 'log', text: 'Trace: here' },
    { kind: 'finish', output: 'went on' },
  ]);
});

// Bug stringly-thrown: the text of an exception that an agent had written as JSON was taken for a report of the prelude.
test('an agent that replaces how its exception is told ends as failed, with a text', () => {
  const told = live(bundleWith(`Object.prototype.toJSON = () => ({ message: { a: 1 }, stack: 7 }); throw { odd: true };`, ''));
  expect(typeof told.fault?.message).toBe('string');
});
