/**
 * For any options that an agent passes to the SDK, the SDK itself rejects what the bus would: in the call itself, where the agent
 * can catch the error.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentContext, Uses } from '@corral/guest';
import { Effects } from '@corral/protocol/wire/effect';
import { isolate, outcomeOf, timer, type Seen } from './fixtures/isolate.ts';

/** Values as source text, such as arithmetic, configuration, models and typing errors produce. */
const ODD = [
  'undefined',
  'null',
  '0',
  '-0',
  '-1',
  '0.5',
  '1.5',
  '1000 / 3',
  'NaN',
  'Infinity',
  '-Infinity',
  '2 ** 31',
  '2 ** 53',
  '2 ** 60',
  '1e308',
  '5',
  '500',
  `''`,
  `'500'`,
  `'abc'`,
  `'3e2'`,
  `'x'.repeat(101)`,
  `'x'.repeat(501)`,
  `'x'.repeat(2000)`,
  `'__proto__'`,
  `'a b'`,
  'true',
  'false',
  '5n',
  `Symbol('s')`,
  '() => 1',
  'new Date(NaN)',
  'new Date(5)',
  'new Map([[1, 2]])',
  'new Set()',
  '[]',
  '[1]',
  '[NaN]',
  'Array.from({ length: 300 }, (_, i) => i)',
  '{}',
  '{ attempts: 0 }',
  '{ attempts: 2 }',
  '{ attempts: 11 }',
  '{ per_minute: 0 }',
  '{ per_minute: 5, more: 1 }',
  '{ path: { startsWith: 1 } }',
  '{ path: { under: "a" } }',
  `JSON.parse('{"__proto__":{"equals":1}}')`,
  '{ path: { in: [undefined, () => 1] } }',
  '{ constructor: { equals: 1 } }',
  '{ path: null }',
  `['invoke', 'read']`,
  `['invoke', 'sing']`,
  'new AbortController().signal',
  'AbortSignal.abort("why")',
  'caps.t',
  'caps.friend',
  'mailbox',
  '{ a: caps.t }',
  '{ "a b": caps.t }',
  'Object.fromEntries(Array.from({ length: 257 }, (_, i) => ["c" + i, caps.t]))',
  '{ then: 5 }',
  'new Proxy({}, { get() { throw new Error("trap") }, ownKeys() { throw new Error("trap") } })',
  '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()',
  'new Uint8Array(3)',
  'new Error("x")',
  'Promise.resolve(1)',
  'Object.create(null)',
  'new String("s")',
  '(() => { const a = {}; a.a = a; return a })()',
  'globalThis',
  '{ toJSON() { return undefined } }',
  '{ toJSON() { return NaN } }',
  '{ get x() { throw new Error("getter") } }',
] as const;
const NAMES = [
  'timeout_ms',
  'retry',
  'reason',
  'signal',
  'caps',
  'budget',
  'where',
  'uses',
  'expires_in_ms',
  'rights',
  'passes',
  'rate',
  'bytes',
  'only_clean',
  'cpu_ms',
  'calls',
  'money',
  'toString',
  '__proto__',
];

const odd = fc.constantFrom(...ODD);
const options = fc.oneof(
  { weight: 1, arbitrary: odd },
  {
    weight: 4,
    arbitrary: fc
      .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), odd), { minLength: 1, maxLength: 4, selector: ([name]) => name })
      .map((members) => `{ ${members.map(([name, value]) => `[${JSON.stringify(name)}]: ${value}`).join(', ')} }`),
  },
);
type Call = (a: string, b: string) => string;
/** The calls that an agent can make with each member of its context. A member that is only read has none. */
const CALLS: Readonly<Record<keyof AgentContext<unknown, Uses>, readonly Call[]>> = {
  run: [],
  purpose: [],
  input: [],
  state: [],
  caps: [(a, b) => `caps.t(${a}, ${b})`, (a, b) => `caps.t.handle(${a}, ${b})`, (a, b) => `caps.friend.send(${a}, ${b})`],
  mailbox: [
    (a, b) => `mailbox.request(${a}, ${b})`,
    (a) => `mailbox.send(1, { caps: { a: caps.t.attenuate(${a}) } })`,
    (a, b) => `mailbox.send(1, { caps: { a: caps.t.attenuate(${a}).attenuate(${b}) } })`,
  ],
  spawn: [
    (a, b) => `spawn(kid, ${a}, ${b})`,
    (a, b) => `spawn(${a}, ${b})`,
    (a) => `spawn(kid, {}, { budget: ${a} })`,
    (a) => `spawn({ [SYMBOL]: { name: ${a} } }, {})`,
  ],
  budget: [(a) => `spawn(kid, {}, { budget: budget.slice(${a}) })`],
  emit: [(a, b) => `emit(${a}, ${b})`],
  sleep: [(a, b) => `sleep(${a}, ${b})`],
  messages: [(a) => `messages.next(${a})`],
  notices: [(a) => `notices.next(${a})`],
  signal: [(a, b) => `signal.addEventListener(${a}, ${b})`],
  open: [(a) => `open(${a})`],
  ask: [(a, b) => `ask(${a}, ${b})`],
  log: [(a, b) => `log(${a}, ${b})`],
  // Ends the segment, so each agent of the property makes it last.
  checkpoint: [],
};
/** Calls of globals. */
const GLOBAL_CALLS: readonly Call[] = [
  (a, b) => `setTimeout(${a}, ${b})`,
  (a) => `setTimeout(() => 1, ${a})`,
  (a) => `clearTimeout(${a})`,
  (a) => `AbortSignal.timeout(${a})`,
  (a, b) => `console.table(${a}, ${b})`,
];
const calls = fc.array(
  fc.tuple(fc.constantFrom(...Object.values(CALLS).flat(), ...GLOBAL_CALLS), options, options).map(([make, a, b]) => make(a, b)),
  { minLength: 1, maxLength: 8 },
);

/** Ends the run with an error that the property finds, if a name is missing in the isolate. */
const ASSERT_KNOWN = `const assertKnown = (error) => { if (error instanceof ReferenceError) throw new Error('A name that nobody knows: ' + error.message); };`;

test('random options never make an effect that the bus does not know', () => {
  expectKnown(100);
}, 240_000);
test('four times as many random options never do', { tags: 'long', timeout: 600_000 }, () => {
  expectKnown(400);
});

function expectKnown(numRuns: number): void {
  fc.assert(
    fc.property(calls, options, fc.constantFrom('return', 'checkpoint'), (each, last, how) => {
      // A name that nobody knows is not an odd option: the call was never made.
      const attempts = each
        .map((call) => `try { void Promise.resolve(${call}).catch(() => undefined) } catch (error) { assertKnown(error) }`)
        .join('\n');
      const end = how === 'return' ? `return ${last}` : `try { await checkpoint(${last}) } catch (error) { assertKnown(error) }`;
      const seen = isolate(`${attempts}\n${end}`, ASSERT_KNOWN).start();
      const parsed = Effects.safeParse(seen);
      expect([seen, parsed.error?.issues[0]]).toEqual([seen, undefined]);
      expect(JSON.stringify(seen)).not.toContain('nobody knows');
      // A result that cannot be returned fails the run with an error that says so, exactly once.
      expect(seen.filter(({ kind }) => kind === 'finish' || kind === 'checkpoint').length).toBeLessThanOrEqual(1);
    }),
    { numRuns },
  );
}

const caught = (call: string) => outcomeOf(`try { await ${call}; return 'taken' } catch (error) { return [error.name, error.message] }`);

describe('an option that the bus would refuse is refused by the call, which names it, its value and what is allowed:', () => {
  test.each([
    ['caps.t({}, { timeout_ms: NaN })', /^timeout_ms must be a finite number.*it is NaN/],
    ['caps.t({}, { timeout_ms: Infinity })', /^timeout_ms .*Infinity/],
    [`caps.t({}, { timeout_ms: '500' })`, /^timeout_ms .*"500"/],
    ['caps.t({}, { timeout_ms: null })', /^timeout_ms .*null/],
    ['caps.t({}, null)', /^The options of a call must be an object; it is null/],
    ['caps.t({}, { retry: 3 })', /^retry must be an object/],
    ['caps.t({}, { retry: { attempts: 2.5 } })', /^retry\.attempts must be a whole number from 1 to 10; it is 2\.5/],
    [`caps.t({}, { reason: 'r'.repeat(501) })`, /^reason must be a text of at most 500 characters.*503 characters/],
    ['caps.t({}, { signal: {} })', /^signal must be an AbortSignal/],
    [`mailbox.request(1, { timeout_ms: NaN })`, /^timeout_ms/],
    ['mailbox.send(undefined)', /^The body of a message/],
    ['mailbox.send({ toJSON() {} })', /^body/],
    [`mailbox.send(1, { caps: { 'a b': caps.t } })`, /^A name in caps .*"a b"/],
    ['mailbox.send(1, { caps: { a: {} } })', /caps\.a of this message is not a capability/],
    ['mailbox.send(1, { caps: 5 })', /^caps must be an object/],
    [`emit('e'.repeat(101))`, /^The name of an event must be a text of at most 100 characters/],
    ['emit(5)', /^The name of an event/],
    ['sleep(NaN)', /^The time to sleep/],
    [`sleep('soon')`, /^The time to sleep .*"soon"/],
    ['sleep(5, { signal: 5 })', /^signal/],
    ['messages.next({ timeout_ms: NaN })', /^timeout_ms/],
    ['spawn(kid, {}, { budget: { cpu_ms: 1.5 } })', /^budget\.cpu_ms must be a whole number from 1 to 2592000000; it is 1\.5/],
    ['spawn(kid, {}, { budget: { money: 5 } })', /^An amount of budget must be one of cpu_ms/],
    ['budget.slice({ calls: -1 })', /^budget\.calls/],
    ['spawn(kid, {}, null)', /^The options of spawn/],
    [`spawn({ [SYMBOL]: { name: 'Not A Name' } }, {})`, /^The name of the agent to spawn/],
    ['caps.t.attenuate({ uses: 1.5 })', /^uses must be a whole number/],
    ['caps.t.attenuate({ times: 3 })', /^A term of attenuate must be one of where/],
    ['caps.t.attenuate()', /^The terms of attenuate/],
    [`caps.t.attenuate({ where: { path: { startsWith: 'a' } } })`, /^A condition of where\.path must be one of equals/],
    ['caps.t.attenuate({ where: { path: { max: NaN } } })', /^where\.path\.max must be a finite number; it is NaN/],
    ['caps.t.attenuate({ where: { path: { equals: new Map() } } })', /^where\.path\.equals is a Map/],
    [`caps.t.attenuate({ where: JSON.parse('{"__proto__":{"equals":1}}') })`, /^An argument in where .*__proto__/],
    ['caps.t.attenuate({ where: { __proto__: { equals: 1 } } })', /^where must be an object literal/],
    ['caps.t.attenuate({ where: { path: { __proto__: { equals: 1 } } } })', /^where\.path must be an object literal/],
    ['caps.t.attenuate({ __proto__: { uses: 1 } })', /^The terms of attenuate must be an object literal/],
    ['caps.t.attenuate(Object.create({ uses: 1 }))', /^The terms of attenuate must be an object literal/],
    ['caps.t.attenuate({ rate: { per_minute: 1, __proto__: { per_second: 1 } } })', /^rate must be an object literal/],
    ['caps.t.attenuate(new Map([["uses", 1]]))', /^The terms of attenuate must be an object literal/],
    ['mailbox.send(1, { caps: { __proto__: { a: caps.t } } })', /^caps must be an object literal/],
    ['spawn(kid, {}, { budget: { __proto__: { calls: 1 } } })', /^budget must be an object literal/],
    [`caps.t.attenuate({ rights: ['sing'] })`, /^rights/],
    ['open({})', /^open\(\) takes a handle/],
  ])('%s', (call, why) => {
    expect(caught(call)).toEqual(['InvalidArguments', expect.stringMatching(why) as string]);
  });

  test('calls that answer with a promise reject it, and throw nothing', () => {
    for (const call of [
      'caps.t({}, null)',
      'caps.t(1n)',
      'mailbox.send(undefined)',
      'mailbox.request(1, 5)',
      'sleep(NaN)',
      'open(1)',
      'messages.next(5)',
      'checkpoint(NaN)',
    ])
      expect([call, outcomeOf(`return await ${call}.then(() => 'taken', (error) => error.name)`)]).toEqual([call, 'InvalidArguments']);
  });

  test('what narrows a capability is copied: changing it later changes nothing', () => {
    const effects = isolate(
      `const terms = { where: { path: { in: ['a'] } } }; const less = caps.t.attenuate(terms); terms.where.path.in.push(() => 1); terms.uses = NaN;
       void caps.friend.send(1, { caps: { less } });`,
    ).start();
    expect(effects[0]).toMatchObject({ kind: 'send', caps: { less: { cap: 1, where: { path: { in: ['a'] } } } } });
  });

  test('an argument may have the name of something that every object has', () => {
    expect(caught(`caps.t.attenuate({ where: { constructor: { equals: 1 } } }).attenuate({ where: { toString: { equals: 1 } } })`)).toBe(
      'taken',
    );
  });
});

describe('a timeout that comes out of arithmetic', () => {
  test('is rounded up', () => {
    const one = isolate(
      `caps.t({}, { timeout_ms: 1000 / 3 }); caps.t({}, { timeout_ms: 0.2 }); void mailbox.request(1, { timeout_ms: 1.5 });`,
    ).start();
    expect(one.map((effect) => effect['timeout_ms'] ?? (effect['request'] as { timeout_ms?: number })?.timeout_ms)).toEqual([
      334,
      1,
      2,
      undefined,
    ]);
  });

  test.each([
    'caps.t({}, { timeout_ms: 0 })',
    'caps.t({}, { timeout_ms: -250.5 })',
    'mailbox.request(1, { timeout_ms: -1 })',
    'messages.next({ timeout_ms: 0 })',
  ])('is over at once where nothing of it is left, and nothing is sent: %s', (call) => {
    const effects = isolate(`try { await ${call} } catch (error) { return [error.name, error.code, error.retryable] }`).start();
    expect(effects).toEqual([{ kind: 'finish', output: ['TimedOut', 'CORRAL_TIMED_OUT', true] }]);
  });
});

describe('delays', () => {
  const waits = (code: string) =>
    (
      isolate(code)
        .start()
        .filter(({ kind }) => kind === 'timer') as (Seen & { ms: number })[]
    ).map(({ ms }) => ms);

  test('of timers are made numbers, as everywhere', () => {
    expect(
      waits(
        `for (const ms of [300, '300', '3e2', new Number(300), [300], { valueOf: () => 300 }, null, undefined, NaN, 'soon', -5, Infinity, 0.5, 2 ** 31]) setTimeout(() => 1, ms)`,
      ),
    ).toEqual([300, 300, 300, 300, 300, 300, 0, 0, 0, 0, 0, 0, 0.5, 2 ** 31]);
    expect(waits(`setInterval(() => 1, '100'); setInterval(() => 1); setInterval(() => 1, -3)`)).toEqual([100, 1, 1]);
  });

  test('of a sleep may be a number in a text, and Infinity for as long as a run may last', () => {
    expect(waits(`sleep('300'); sleep(-1); sleep(Infinity); sleep(0.5)`)).toEqual([300, 0, 365 * 86_400_000, 0.5]);
  });

  test('need something to do', () => {
    for (const call of [
      'setTimeout(undefined, 1)',
      `setTimeout('globalThis.x = 1', 1)`,
      'setInterval({}, 1)',
      'queueMicrotask(1)',
      'setTimeout(() => 1, 5n)',
      'setTimeout(() => 1, Symbol())',
    ])
      expect([call, outcomeOf(`try { ${call}; return 'taken' } catch (error) { return error.name }`)]).toEqual([call, 'TypeError']);
  });

  test('are taken back by their number, also where that has become a text', () => {
    const one = isolate(
      `const id = setTimeout(() => emit('never'), 5); clearTimeout(String(id)); for (const odd of [undefined, null, {}, 'x', -1, Symbol(), 5n, [id]]) clearTimeout(odd); await sleep(9)`,
    );
    expect(one.start().map(({ kind }) => kind)).toEqual(['timer', 'abort', 'timer']);
    expect(one.crank(timer(2)).at(-1)?.kind).toBe('finish');
  });
});
