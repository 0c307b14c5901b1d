/** How values and errors leave an isolate: on the bus, in outcomes, in log lines. Nothing is lost silently. */
import { describe, expect, test } from 'vitest';
import { isolate, outcomeOf, timer } from './fixtures/isolate.ts';

describe('what JSON cannot say is refused, and named, in everything that leaves:', () => {
  const WAYS: Readonly<Record<string, (value: string) => string>> = {
    'an argument': (value) => `await caps.t(${value})`,
    'a message': (value) => `await caps.friend.send(${value})`,
    'a request': (value) => `await caps.friend.request(${value})`,
    'the input of a child': (value) => `spawn(kid, ${value})`,
    'an event': (value) => `emit('e', ${value})`,
    'a state': (value) => `await checkpoint(${value})`,
  };
  const VALUES: readonly (readonly [value: string, said: RegExp])[] = [
    ['{ a: [0, new Map()] }', /\.a\[1\] is a Map; send Object\.fromEntries/],
    ['{ a: new Set() }', /\.a is a Set/],
    ['{ a: () => 1 }', /\.a is a function/],
    [`{ a: Symbol('s') }`, /\.a is a symbol/],
    ['{ a: 5n }', /\.a is a bigint/],
    ['{ a: NaN }', /\.a is NaN/],
    ['[1, -Infinity]', /\[1\] is -Infinity/],
    ['{ a: new Date(NaN) }', /\.a is an invalid date/],
    ['{ a: new Uint8Array(1) }', /\.a is bytes \(Uint8Array\)/],
    ['{ a: new ArrayBuffer(1) }', /\.a is an ArrayBuffer/],
    ['{ a: /x/ }', /\.a is a RegExp/],
    [`{ a: new Error('e') }`, /\.a is an error/],
    [`{ a: new DOMException('m', 'AbortError') }`, /\.a is an error/],
    ['{ a: Promise.resolve(1) }', /\.a is a Promise; await it/],
    ['{ a: (async function* () {})() }', /\.a is an AsyncGenerator/],
    ['{ a: [1].values() }', /\.a is an iterator/],
    ['{ a: new WeakMap() }', /\.a is a WeakMap/],
    ['{ a: Object(NaN) }', /\.a is NaN/],
    ['{ a: new (class Money { #micros = 5 })() }', /\.a is a Money without enumerable members/],
    ['{ "b c": { toJSON: () => ({ deep: NaN }) } }', /\["b c"\]\.deep is NaN/],
    ['(() => { const a = {}; a.a = a; return a })()', /refers to itself/],
    ['JSON.rawJSON("12345678901234567890")', /is raw JSON/],
    ['{ a: caps.t }', /\.a is a function/],
  ];
  test.each(VALUES)('%s', (value, said) => {
    for (const [way, call] of Object.entries(WAYS)) {
      const [end, ...more] = isolate(
        `try { ${call(value)}; return 'taken' } catch (error) { return [error.name, error.code, error.message] }`,
      ).start();
      expect([way, end?.['output'], more]).toEqual([
        way,
        ['InvalidArguments', 'CORRAL_JSON_UNSUPPORTED', expect.stringMatching(said) as string],
        [],
      ]);
    }
    expect(outcomeOf(`return ${value}`)).toMatchObject({ code: 'CORRAL_JSON_UNSUPPORTED', message: expect.stringMatching(said) as string });
  });

  test('a generator that an agent returns does not end it as if it had run', () => {
    expect(outcomeOf(`return (async function* () { log('ran') })()`)).toMatchObject({
      message: expect.stringContaining('its code runs only where something iterates it') as string,
    });
  });

  test('what JSON says in its own way stays as it was', () => {
    expect(
      outcomeOf(`return { date: new Date(0), none: undefined, list: [undefined, , 1], boxed: [Object('s'), Object(1), Object(true)], url: new URL('https://a.b/c'), minus: -0,
        odd: { toJSON: () => 'said' }, mine: new (class { a = 1 })(), bare: Object.assign(Object.create(null), { b: 2 }), proxy: new Proxy({ c: 3 }, {}), own: JSON.parse('{"__proto__":1}') }`),
    ).toEqual(
      JSON.parse(
        '{"date":"1970-01-01T00:00:00.000Z","list":[null,null,1],"boxed":["s",1,true],"url":"https://a.b/c","minus":0,"odd":"said","mine":{"a":1},"bare":{"b":2},"proxy":{"c":3},"own":{"__proto__":1}}',
      ),
    );
  });
});

describe('an error that an agent throws', () => {
  test('brings its causes, and the errors that it stands for', () => {
    expect(outcomeOf(`throw new Error('outer', { cause: new TypeError('inner', { cause: { status: 503 } }) })`)).toMatchObject({
      message: 'outer',
      stack: expect.stringMatching(
        /^Error: outer\n +at .*\n  \[cause\]: TypeError: inner\n +at .*agent\.js.*\n +\[cause\]: \{"status":503\}$/,
      ) as string,
    });
    expect(outcomeOf(`return await Promise.any([Promise.reject(new Error('one is down')), Promise.reject('two')])`)).toMatchObject({
      stack: expect.stringMatching(/\[errors 0\]: Error: one is down[^]*\[errors 1\]: "two"/) as string,
    });
  });

  test('goes round in circles, or deep, and is bounded', () => {
    const round = outcomeOf(`const e = new Error('round'); e.cause = new AggregateError([e], 'all'); throw e`) as { stack: string };
    expect(round.stack).toMatch(/\[cause\][^]*\[errors 0\]: \[Circular\]/);
    const deep = outcomeOf(`let e = new Error('0'); for (let i = 1; i < 1000; i++) e = new Error(String(i), { cause: e }); throw e`) as {
      stack: string;
    };
    expect(deep.stack.length).toBeLessThanOrEqual(2600);
    const many = outcomeOf(`throw new AggregateError(Array.from({ length: 1000 }, (_, i) => new Error('x'.repeat(5000))), 'many')`) as {
      stack: string;
    };
    expect(many.stack.length).toBeLessThanOrEqual(2600);
  });

  test.each([
    [`throw { code: 'E_QUOTA', message: 'quota is used up' }`, 'The agent threw {"code":"E_QUOTA","message":"quota is used up"}.'],
    [`throw 'just words'`, 'The agent threw "just words".'],
    ['throw undefined', 'The agent threw undefined.'],
    ['throw null', 'The agent threw null.'],
    [`throw Symbol('why')`, 'The agent threw Symbol(why).'],
    ['throw new Map([[1, NaN]])', 'The agent threw {"Map":[[1,NaN]]}.'],
    [`const e = new Error('odd'); Object.setPrototypeOf(e, null); throw e`, 'odd'],
    [`throw Object.defineProperty(new Error('hidden'), 'message', { get() { throw 1 } })`, 'Error'],
    ['throw new RangeError()', 'RangeError'],
    ['const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy', 'The agent threw [a value that cannot be looked at].'],
    [`throw Object.assign(new (corral.errorClass('Denied'))({}), { code: 'x'.repeat(100), message: 'm', limit: 5 })`, 'm'],
  ])('or what is no error, says what it is: %s', (code, said) => {
    expect(outcomeOf(code)).toMatchObject({ message: said });
  });

  test('is not cut in the middle of a character', () => {
    const { message } = outcomeOf(`throw new Error('y'.repeat(1999) + '🦁')`) as { message: string };
    expect(message).toBe('y'.repeat(1999));
  });
});

describe('a rejection that nobody handles', () => {
  test.each([
    [
      `Promise.reject({ status: 503, reason: 'upstream' })`,
      'A promise was rejected with {"status":503,"reason":"upstream"}, and nothing handled that.',
    ],
    [
      `(async () => { throw { message: 'hm', code: 5 } })()`,
      'A promise was rejected with {"message":"hm","code":5}, and nothing handled that.',
    ],
    [`new Promise((_, no) => no([1, 2]))`, 'A promise was rejected with [1,2], and nothing handled that.'],
    [`Promise.reject('text')`, 'A promise was rejected with "text", and nothing handled that.'],
    ['Promise.reject()', 'A promise was rejected with undefined, and nothing handled that.'],
    ['Promise.reject(42)', 'A promise was rejected with 42, and nothing handled that.'],
    [`Promise.reject(Symbol('s'))`, 'A promise was rejected with something that is not an error, and nothing handled that.'],
    ['Promise.reject(Object.create(null))', 'A promise was rejected with something that is not an error, and nothing handled that.'],
    ['Promise.reject(new RangeError())', 'RangeError'],
    [`(() => { const e = new Error('no stack'); delete e.stack; return Promise.reject(e) })()`, 'no stack'],
  ])('says with what: %s', (code, said) => {
    const one = isolate(`await sleep(1); void ${code}; await sleep(1)`);
    one.start();
    const { fault, message, stack = '' } = one.fault(timer(1));
    expect({ fault, message }).toEqual({ fault: 'rejected', message: said });
    expect(stack).not.toMatch(/file:|node:|prelude|isolated-vm/);
  });

  test('has the author’s own lines, and none of the image or the cell', () => {
    for (const code of [
      `void (async () => { await 0; throw new Error('lost') })()`,
      `setTimeout(() => { throw new Error('lost') }, 1)`,
      `setTimeout(async () => { throw new Error('lost') }, 1)`,
    ]) {
      const one = isolate(`await sleep(1); ${code}; await sleep(9)`);
      const { stack } = (one.start(), code.startsWith('void') ? one.fault(timer(1)) : (one.crank(timer(1)), one.fault(timer(2))));
      expect(stack).toMatch(/^Error: lost\n +at .*agent\.js/);
      expect(stack).not.toMatch(/file:|node:|prelude|isolated-vm/);
    }
  });

  test('has the causes of its error, and the errors that it stands for', () => {
    const rejected = (code: string) => {
      const one = isolate(`await sleep(1); void (async () => { await 0; ${code} })(); await sleep(9)`);
      one.start();
      return one.fault(timer(1));
    };
    expect(rejected(`throw new Error('outer', { cause: new TypeError('inner', { cause: { status: 503 } }) })`)).toMatchObject({
      message: 'outer',
      stack: expect.stringMatching(
        /^Error: outer\n +at .*agent\.js.*\n  \[cause\]: TypeError: inner\n +at .*agent\.js.*\n +\[cause\]: \{"status":503\}$/,
      ) as string,
    });
    expect(rejected(`await Promise.any([Promise.reject(new Error('one is down')), Promise.reject('two')])`)).toMatchObject({
      stack: expect.stringMatching(/\[errors 0\]: Error: one is down[^]*\[errors 1\]: "two"/) as string,
    });
    // The stack was read before, or the agent formats it itself.
    expect(rejected(`const e = new Error('seen', { cause: 'why' }); log(e.stack); throw e`)).toMatchObject({ message: 'seen' });
    expect(rejected(`Error.prepareStackTrace = () => 'mine'; throw new Error('own', { cause: 'why' })`)).toMatchObject({ message: 'own' });
    // The cause of an earlier error must not appear with the next.
    expect(rejected(`new Error('first', { cause: 'why' }).stack; const e = new Error('second'); throw e`)).toMatchObject({
      message: 'second',
      stack: expect.not.stringContaining('cause') as string,
    });
  });

  test('or is thrown in a timer, keeps its cause, or what it is', () => {
    const thrown = (what: string) => {
      const one = isolate(`setTimeout(() => { throw ${what} }, 1); await sleep(9)`);
      one.start();
      return one.fault(timer(1));
    };
    expect(thrown(`new Error('outer', { cause: new Error('größer 🦁') })`)).toMatchObject({
      message: 'outer',
      stack: expect.stringContaining('[cause]: Error: größer 🦁') as string,
    });
    expect(thrown(`Object.assign(new Error('shut'), { code: 'E_SHOP' })`)).toMatchObject({
      message: 'shut',
      stack: expect.stringContaining('[code]: E_SHOP') as string,
    });
    expect(thrown('{ a: 1 }')).toMatchObject({ message: 'The agent threw {"a":1}.' });
    expect(thrown('undefined')).toMatchObject({ message: 'The agent threw undefined.' });
  });

  test('does not change what objects are to an agent', () => {
    expect(
      outcomeOf(`const o = {}; o.stack = [5]; const kept = { ...o, ...Object.assign({}, { stack: 1 }) }; class Deep { stack = [] } const names = []; for (const key in {}) names.push(key);
        Error.prepareStackTrace = () => { throw 1 }; return [({}).stack, [].stack, (() => 1).stack, JSON.stringify(o), kept, new Deep(), Object.keys({}), names, Object.hasOwn({}, 'stack')].map((x) => x ?? 'none')`),
    ).toEqual(['none', 'none', 'none', '{"stack":[5]}', { stack: 1 }, { stack: [] }, [], [], false]);
  });
});

describe('a log line', () => {
  test.each([
    [`{ call: 7, error: new Error('shut', { cause: 'why' }) }`, '{"call":7,"error":[Error: shut [cause]: "why"]}'],
    [`(() => { const a = { n: 1 }; a.self = a; return a })()`, '{"n":1,"self":[Circular]}'],
    ['{ ratio: 0 / 0, most: Infinity }', '{"ratio":NaN,"most":Infinity}'],
    ['{ then: () => 1, n: 1 }', '{"then":[Function: then],"n":1}'],
    ['new Map([["a", new Map([["b", NaN]])]])', '{"Map":[["a",{"Map":[["b",NaN]]}]]}'],
    ['new Set(["x", new Set()])', '{"Set":["x",{"Set":[]}]}'],
    ['new Uint8Array([1, 2])', 'Uint8Array(2) [1,2]'],
    ['{ n: 5n }', '{"n":"5n"}'],
    ['-0', '-0'],
    ['new (class Money { currency = "EUR" })()', 'Money {"currency":"EUR"}'],
    ['{ get bad() { throw new Error("no") }, n: 1 }', '{"bad":[a getter that throws],"n":1}'],
    ['{ toJSON() { throw new Error("no") }, n: 1 }', '{"toJSON":[Function: toJSON],"n":1}'],
    ['(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()', '[a value that cannot be looked at]'],
    [
      '{ in: (() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })() }',
      '{"in":[a value that cannot be looked at]}',
    ],
    ['{ match: /a+/g, when: new Date(NaN), later: Promise.resolve(1) }', '{"match":/a+/g,"when":Invalid Date,"later":Promise {}}'],
    ['(() => { let d = "end"; for (let i = 0; i < 30_000; i++) d = [d]; return d })()', '[[[[[[[[[Array]]]]]]]]]'],
    ['{ a: 1, at: new Date(0), none: undefined, list: [undefined] }', '{"a":1,"at":"1970-01-01T00:00:00.000Z","list":[null]}'],
  ])('shows %s', (value, text) => {
    expect(isolate(`console.log(${value})`).start()[0]).toEqual({ kind: 'log', level: 'info', text });
  });

  test('has an error with its stack, its causes and the errors it stands for', () => {
    const [line] = isolate(`console.log('it:', new AggregateError([new Error('one')], 'all', { cause: new Error('why') }))`).start();
    expect(line?.['text']).toMatch(/^it: AggregateError: all\n +at .*agent\.js[^]*\[cause\]: Error: why[^]*\[errors 0\]: Error: one/);
  });

  test('is short, however much it is given', () => {
    const [line] = isolate(
      `console.log({ odd: NaN, all: Array.from({ length: 50_000 }, (_, i) => ({ i, at: 'x'.repeat(100) })) })`,
    ).start();
    expect(String(line?.['text']).length).toBeLessThan(20_000);
  });
});

describe('the console', () => {
  const lines = (code: string) =>
    isolate(code)
      .start()
      .filter(({ kind }) => kind === 'log')
      .map(({ level, text }) => `${String(level)}: ${String(text)}`);

  test('has the methods that programs expect, each of which can be replaced', () => {
    for (const method of [
      'log',
      'debug',
      'info',
      'warn',
      'error',
      'trace',
      'assert',
      'dir',
      'dirxml',
      'table',
      'time',
      'timeLog',
      'timeEnd',
      'group',
      'groupCollapsed',
      'groupEnd',
      'count',
      'countReset',
      'clear',
    ])
      expect([
        method,
        outcomeOf(`const { ${method}: call } = console; call(); console.${method} = () => 'mine'; return console.${method}()`),
      ]).toEqual([method, 'mine']);
    expect(lines(`const was = console.log; console.log = (...parts) => log('patched', ...parts); console.log('hello')`)).toEqual([
      'info: patched hello',
    ]);
  });

  test('puts values into a first text that has places for them', () => {
    expect(
      lines(
        `console.log('%s has %d of %j, %i %% %c%o', 'Ada', '3', { a: 1 }, 2.7, 'color: red', [1], 'more'); console.log('100%', 1); console.log('%s'); console.log('%d', {})`,
      ),
    ).toEqual(['info: Ada has 3 of {"a":1}, 2 % [1] more', 'info: 100% 1', 'info: %s', 'info: NaN']);
  });

  test('indents groups, counts, and measures by the clock of the run', () => {
    expect(
      lines(`console.group('a', 1); console.log('in\\nside'); console.group(); console.warn('deeper'); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out');
        console.count(); console.count(); console.countReset(); console.count(); console.count('x'); console.time(); console.timeLog(undefined, 'so far'); console.timeEnd(); console.timeEnd()`),
    ).toEqual([
      'info: a 1',
      'info:   in\n  side',
      'warn:     deeper',
      'info: out',
      'info: default: 1',
      'info: default: 2',
      'info: default: 1',
      'info: x: 1',
      'info: default: 0ms so far',
      'info: default: 0ms',
      'warn: There is no timer called default.',
    ]);
  });

  test('tells what does not hold, where it was called, and tables', () => {
    expect(lines(`console.assert(true, 'no'); console.assert(0, 'is', { not: 1 }); console.assert()`)).toEqual([
      'error: Assertion failed: is {"not":1}',
      'error: Assertion failed',
    ]);
    expect(lines(`console.trace('here')`)).toEqual([expect.stringMatching(/^debug: Trace: here\n +at .*agent\.js/) as string]);
    expect(
      lines(`console.table([{ a: 1, b: 'x' }, { a: 22 }]); console.table(5); console.table(new Map([['k', [7]]])); console.table(['v'])`),
    ).toEqual([
      'info: (index) │ a  │ b\n────────┼────┼────\n0       │ 1  │ "x"\n1       │ 22 │',
      'info: 5',
      'info: (index) │ 0\n────────┼──\nk       │ 7',
      'info: (index) │ Values\n────────┼───────\n0       │ "v"',
    ]);
  });
});
