import { describe, expect, test } from 'vitest';
import { AT, CONFIG, image } from './fixtures/base.ts';
import { CachedScript } from './image.ts';
import { replay } from './replay.ts';
import { Fault, Session } from './session.ts';

const CPU_US = 1_000_000;

/** An agent, given the body of its run function, in the form that a bundler writes. */
function session(
  body: string,
  {
    seed = CONFIG.seed,
    memory_mib = 32,
    log_bytes = 100_000,
    message_bytes = 100_000,
    model_request_bytes = undefined as number | undefined,
  } = {},
): Session {
  const source = `var corralBundle = (() => {
    const options = { name: 'a', run: async ({ input, log, sleep, messages, mailbox, budget, signal, emit, caps }) => { ${body} } };
    return { default: { [Symbol.for('corral.agent')]: options, ...options } };
  })();`;
  const bundle = new CachedScript(source, 'agent.js');
  const config = {
    ...CONFIG,
    seed,
    message_bytes,
    model_request_bytes,
    log_bytes,
    effects_per_crank: 100,
    effects_bytes: 1_000_000,
    temporal: source.includes('Temporal'),
  };
  return new Session({ image, bundle, config, memory_mib, load_cpu_us: CPU_US });
}
const start = (input: unknown = {}, caps: object = {}) =>
  JSON.stringify({ kind: 'start', at: AT, run: 'run_000000000000', input, caps, budget: {} });
type Effect = Record<string, unknown> & { readonly kind: string };
const crank = (one: Session, delivery: string) => JSON.parse(one.crank(delivery, CPU_US)) as Effect[];
/** The output of an agent that only computes. */
function output(expression: string, options?: Parameters<typeof session>[1]): unknown {
  const one = session(`return (${expression})`, options);
  try {
    const [effect] = crank(one, start());
    if (effect?.kind !== 'finish' || effect['error'] !== undefined) throw new Error(JSON.stringify(effect));
    return effect['output'];
  } finally {
    one.dispose();
  }
}
function fault(work: () => unknown): Fault['payload'] {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error.payload;
    throw error;
  }
  throw new Error('nothing went wrong');
}

describe('time in an isolate is the stamp of its delivery', () => {
  test.each([
    ['Date.now()', AT],
    ['+new Date()', AT],
    ['new Date(0).constructor.now()', AT],
    ['+Reflect.construct(Date, [])', AT],
    ['(class Late extends Date {}, +new (class Late extends Date {})())', AT],
    ['Date()', 'Sun Nov 22 2026 12:30:15 GMT+0000 (Coordinated Universal Time)'],
    ['new Intl.DateTimeFormat("en", { timeStyle: "medium" }).format()', '12:30:15 PM'],
    ['new Intl.DateTimeFormat("en", { timeStyle: "medium" }).formatToParts().find((part) => part.type === "second").value', '15'],
    ['Temporal.Now.instant().epochMilliseconds', AT],
    ['Temporal.Now.zonedDateTimeISO().epochMilliseconds', AT],
    ['Temporal.Now.plainDateTimeISO().toString()', '2026-11-22T12:30:15.123'],
    ['Temporal.Now.plainDateISO().toString()', '2026-11-22'],
    ['Temporal.Now.plainTimeISO().toString()', '12:30:15.123'],
    ['Temporal.Now.timeZoneId()', 'UTC'],
    ['performance.now()', 1000],
    ['(() => { const began = Date.now(); for (let i = 0; i < 1e7; i++); return Date.now() - began })()', 0],
    ['new Intl.DateTimeFormat().resolvedOptions().timeZone', 'UTC'],
    ['new Date(2026, 0, 1).getTimezoneOffset()', 0],
    ['Date.UTC(2026, 0) === +new Date(2026, 0) && Date.length === 7 && Date.name === "Date" && new Date() instanceof Date', true],
  ])('%s', (expression, expected) => {
    expect(output(expression)).toEqual(expected);
  });
});

describe('randomness in an isolate comes from its header', () => {
  test.each([
    'Math.random()',
    'crypto.randomUUID()',
    '[...crypto.getRandomValues(new Uint32Array(20))]',
    'Array.from({ length: 50 }, Math.random)',
  ])('%s', (expression) => {
    const first = output(expression);
    expect(output(expression)).toEqual(first);
    expect(output(expression, { seed: 'beef'.repeat(16) })).not.toEqual(first);
  });

  test('looks like randomness', () => {
    const numbers = output('Array.from({ length: 4000 }, Math.random)') as number[];
    const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(numbers.every((one) => one >= 0 && one < 1)).toBe(true);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(output('crypto.randomUUID()')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe('what would let two executions differ is absent', () => {
  test.each([
    'WeakRef',
    'FinalizationRegistry',
    'Atomics',
    'SharedArrayBuffer',
    'WebAssembly',
    'process',
    'require',
    'fetch',
    'Deno',
    'Temporal'.slice(0, 0) + 'Bun',
  ])('%s', (name) => {
    expect(output(`typeof globalThis['${name}']`)).toBe('undefined');
  });

  test('and nothing else is there that this test has not heard of', () => {
    const names = output('Object.getOwnPropertyNames(globalThis).sort().join(" ")') as string;
    // A new global of a new V8 must be reviewed before it is allowed: it may give access to the machine's clock.
    expect(names.split(' ')).toMatchSnapshot();
  });

  test('an allocation that the memory limit refuses ends the run, and cannot be caught', () => {
    for (const bomb of [
      'new Uint8Array(5e6)',
      'new ArrayBuffer(5e6)',
      'new Uint8Array(5e6).slice()',
      'new Uint8Array(5e6).toReversed()',
      'new Uint8Array(5e6).with(0, 1)',
      '((bytes) => ((bytes.constructor = undefined), bytes.slice()))(new ArrayBuffer(5e6))',
      'Float64Array.from({ length: 5e5 })',
    ]) {
      const one = session(`const hoard = []; for (;;) { try { hoard.push(${bomb}) } catch { hoard.length = 0 } }`, { memory_mib: 32 });
      expect(fault(() => one.crank(start(), 60 * CPU_US))).toMatchObject({ fault: 'memory' });
    }
  });

  test('while an impossible length is an error like any other', () => {
    expect(output('(() => { try { new Uint8Array(-1) } catch (error) { return error.name } })()')).toBe('RangeError');
  });
});

describe('the globals of an isolate', () => {
  test.each([
    ['new URL("../b?x=1#y", "https://user@example.org:8080/a/c").href', 'https://user@example.org:8080/b?x=1#y'],
    ['new URL("https://bücher.example/").hostname', 'xn--bcher-kva.example'],
    ['[...new URLSearchParams("a=1&a=2").getAll("a")].join()', '1,2'],
    ['new TextDecoder().decode(new TextEncoder().encode("grüße €😀"))', 'grüße €😀'],
    ['atob(btoa("\\xff binary"))', '\xff binary'],
    ['structuredClone(new Map([[{ a: 1 }, new Set([1n])]])).size', 1],
    ['(() => { const c = new AbortController(); c.abort(); return [c.signal.aborted, c.signal.reason.name] })()', [true, 'AbortError']],
    ['AbortSignal.any([AbortSignal.abort("x")]).reason', 'x'],
    ['new DOMException("m", "AbortError").code', 20],
    ['(() => { try { structuredClone(() => 1) } catch (error) { return error.name } })()', 'DataCloneError'],
    ['new EventTarget() instanceof EventTarget', true],
    ['await new Promise((resolve) => queueMicrotask((...given) => resolve(["later", given.length])))', ['later', 0]],
  ])('%s', (expression, expected) => {
    expect(output(expression)).toEqual(expected);
  });
});

describe('a crank', () => {
  test('turns calls into effects and replies into results', () => {
    const one = session(`const { text } = await caps.read({ path: 'x' }, { timeout_ms: 50, reason: 'look' }); return text.length;`);
    const caps = { read: { cap: 1, kind: 'tool', name: 'fs.read' } };
    expect(crank(one, start({}, caps))).toEqual([{ kind: 'call', id: 1, cap: 1, input: { path: 'x' }, timeout_ms: 50, reason: 'look' }]);
    expect(crank(one, JSON.stringify({ kind: 'reply', at: AT, results: [{ id: 1, value: { text: 'four' } }] }))).toEqual([
      { kind: 'finish', output: 4 },
    ]);
    one.dispose();
  });

  test('gives errors their class, code and hint', () => {
    const one = session(
      `try { await caps.read({}) } catch (error) { return [error.name, error.constructor === corral.errorClass('Denied'), error instanceof Error, error.code, error.hint, error.callId] }`,
    );
    crank(one, start({}, { read: { cap: 1, kind: 'tool', name: 'fs.read' } }));
    const error = { code: 'CORRAL_DENIED', class: 'Denied', message: 'no', hint: 'Ask.', retryable: false, call: 1 };
    const [end] = crank(one, JSON.stringify({ kind: 'reply', at: AT, results: [{ id: 1, error }] }));
    expect(end).toEqual({ kind: 'finish', output: ['Denied', true, true, 'CORRAL_DENIED', 'Ask.', 1] });
    one.dispose();
  });

  test('says when the agent waits for a message, and when it no longer does', () => {
    const one = session(`const { body } = await messages.next(); await sleep(5); return body;`);
    expect(crank(one, start())).toEqual([{ kind: 'listen', on: true }]);
    const message = { kind: 'message', at: AT, from: { run: 'run_111111111111', agent: 'b' }, body: 'hi', depth: 1 };
    expect(crank(one, JSON.stringify(message))).toEqual([
      { kind: 'timer', ms: 5, id: 1 },
      { kind: 'listen', on: false },
    ]);
    expect(crank(one, JSON.stringify({ kind: 'timer', at: AT + 5, id: 1 }))).toEqual([{ kind: 'finish', output: 'hi' }]);
    one.dispose();
  });

  test('takes timers back', () => {
    const one = session(
      `const handle = setTimeout(() => emit('never'), 5); clearTimeout(handle); let n = 0; const each = setInterval(() => { if (++n === 2) { clearInterval(each); emit('twice') } }, 1); await sleep(9);`,
    );
    expect(crank(one, start()).map((effect) => effect.kind)).toEqual(['timer', 'abort', 'timer', 'timer']);
    expect(crank(one, JSON.stringify({ kind: 'timer', at: AT, id: 2 }))).toEqual([{ kind: 'timer', ms: 1, id: 4 }]);
    expect(crank(one, JSON.stringify({ kind: 'timer', at: AT, id: 4 })).map((effect) => effect.kind)).toEqual(['timer', 'abort', 'emit']);
    one.dispose();
  });

  test('aborts the run’s signal when it is cancelled', () => {
    const one = session(`await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));`);
    crank(one, start());
    const [end] = crank(one, JSON.stringify({ kind: 'cancel', at: AT, reason: 'enough' }));
    expect(end).toMatchObject({ kind: 'finish', error: { message: 'enough' } });
    one.dispose();
  });

  test('ends the isolate when a rejection is nobody’s', () => {
    const one = session(`Promise.reject(new Error('forgotten')); await sleep(1);`);
    expect(fault(() => crank(one, start()))).toMatchObject({ fault: 'rejected', message: 'forgotten' });
  });

  test('ends the isolate when it takes too long, loops in microtasks, or logs without end', () => {
    for (const body of [
      'for (;;);',
      'for (;;) await 0;',
      'const again = () => Promise.resolve().then(again); again(); await new Promise(() => {})',
    ]) {
      const one = session(body);
      expect(fault(() => one.crank(start(), 50_000))).toMatchObject({ fault: 'timeout' });
    }
    const chatty = session(`for (;;) { try { log('x'.repeat(100)) } catch {} }`, { log_bytes: 5000 });
    expect(fault(() => crank(chatty, start()))).toMatchObject({ fault: 'log_bytes' });
    const busy = session(`for (;;) { try { emit('x') } catch {} }`);
    expect(fault(() => crank(busy, start()))).toMatchObject({ fault: 'too_many' });
  });

  test('a line of the log that is too long ends by saying how long it was', () => {
    const one = session(`log('x'.repeat(9000))`);
    expect(crank(one, start())[0]).toMatchObject({ kind: 'log', text: `${'x'.repeat(8192)}… (9000 characters)` });
    one.dispose();
  });

  test('is not fooled by an error that looks like one of the host’s', () => {
    const one = session(`Promise.reject(new Error('Script execution timed out.'));`);
    expect(fault(() => crank(one, start()))).toMatchObject({ fault: 'rejected' });
    const two = session(`Promise.reject(new Error('Isolate was disposed during execution due to memory limit'));`);
    expect(fault(() => crank(two, start()))).toMatchObject({ fault: 'rejected' });
  });

  test.each([
    ['() => 1', 'CORRAL_JSON_UNSUPPORTED', '1n'],
    ['a cycle', 'CORRAL_JSON_UNSUPPORTED', '(() => { const a = {}; a.a = a; return a })()'],
    ['too much', 'CORRAL_EFFECT_TOO_LARGE', '"x".repeat(200000)'],
  ])('refuses to send %s, and nothing of it leaves', (_, code, value) => {
    const one = session(`try { await caps.read(${value}) } catch (error) { return error.code }`);
    expect(crank(one, start({}, { read: { cap: 1, kind: 'tool', name: 'fs.read' } }))).toEqual([{ kind: 'finish', output: code }]);
    one.dispose();
  });

  test('sends a call of a model that is larger than other effects may be', () => {
    const body = `try { await caps.model({ prompt: 'x'.repeat(200_000) }) } catch (error) { return error.limit }`;
    const view = (name: string) => start({}, { model: { cap: 1, kind: 'tool', name } });
    const sent = (model_request_bytes: number | undefined, name = 'model:default') => {
      const one = session(body, { model_request_bytes });
      const [effect] = crank(one, view(name));
      one.dispose();
      return effect;
    };
    expect(sent(300_000)).toMatchObject({ kind: 'call', cap: 1 });
    expect(sent(150_000)).toEqual({ kind: 'finish', output: 'model_request_bytes' });
    expect(sent(300_000, 'tools:default')).toEqual({ kind: 'finish', output: 'message_bytes' });
    expect(sent(undefined)).toEqual({ kind: 'finish', output: 'message_bytes' });
  });

  test('names a capability that was not granted', () => {
    const one = session(`await caps.write({})`);
    expect(crank(one, start({}, { read: { cap: 1, kind: 'tool', name: 'fs.read' } }))).toMatchObject([
      { kind: 'finish', error: { code: 'CORRAL_CAP_NOT_GRANTED', message: expect.stringContaining('it holds read') as string } },
    ]);
    one.dispose();
  });
});

describe('replay', () => {
  const BODY = `
    const results = [];
    const waits = [5, 3, 9].map(async (ms) => { await sleep(ms); results.push(ms); if (ms === 9) throw new Error('nine') });
    const settled = await Promise.allSettled([...waits, Promise.race([sleep(1), sleep(2)])]);
    log(Math.random(), Date.now(), new Map([[1, 2]]), settled.map((one) => one.status));
    return { results, id: crypto.randomUUID() };`;

  function live(): { crank: number; delivery: string; effects: string; cpu_us: number }[] {
    const one = session(BODY);
    const cranks: { crank: number; delivery: string; effects: string; cpu_us: number }[] = [];
    const take = (delivery: object) => {
      const text = JSON.stringify(delivery);
      cranks.push({ crank: cranks.length + 1, delivery: text, effects: one.crank(text, CPU_US), cpu_us: CPU_US });
    };
    take(JSON.parse(start()) as object);
    for (const [i, id] of [2, 5, 4, 1, 3].entries()) take({ kind: 'timer', at: AT + i, id });
    one.dispose();
    return cranks;
  }

  test('of a journal does the same again, whatever the memory limit and whether code is warm', () => {
    const cranks = live();
    expect(cranks.at(-1)?.effects).toContain('"finish"');
    for (const memory_mib of [16, 32, 128]) {
      const again = session(BODY, { memory_mib });
      replay(again, { cranks }, 0);
      again.dispose();
    }
  });

  test('compares effects as JSON values, not as texts', () => {
    const cranks = live().map((one) => ({ ...one, effects: one.effects.replace('"kind":"timer","ms":5', '"ms":5.0,"kind":"timer"') }));
    const again = session(BODY);
    expect(() => replay(again, { cranks }, 0)).not.toThrow();
    again.dispose();
  });

  test.each([
    [
      'another',
      (effects: string) => effects.replace('"ms":5', '"ms":6'),
      '{"id":1,"kind":"timer","ms":6}',
      '{"id":1,"kind":"timer","ms":5}',
    ],
    ['one that is missing', (effects: string) => effects.replace(']', ',{"kind":"emit"}]'), '{"kind":"emit"}', 'nothing'],
    ['one too many', () => '[]', 'nothing', '{"id":1,"kind":"timer","ms":5}'],
  ])('ends at the first effect that differs: %s', (_, change, expected, seen) => {
    const cranks = live();
    const first = cranks[0] as (typeof cranks)[number];
    const again = session(BODY);
    expect(fault(() => replay(again, { cranks: [{ ...first, effects: change(first.effects) }, ...cranks.slice(1)] }, 0))).toMatchObject({
      fault: 'diverged',
      expected,
      seen,
      message: expect.stringContaining('Crank 1') as string,
    });
  });
});
