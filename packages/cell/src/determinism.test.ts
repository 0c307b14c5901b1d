/** The same journal gives the same effects: random agents, recorded once and replayed under other conditions. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { needsOf } from '@corral/guest/abi';
import type { FaultPayload, ReplayPayload } from '@corral/protocol/wire/frame';
import { agentBody, bundleOf } from './fixtures/agents.ts';
import { data } from './fixtures/base.ts';
import type { Recorded } from './fixtures/replayer.ts';
import { CachedScript, SandboxImage } from './image.ts';
import { replay } from './replay.ts';
import { Fault, Session } from './session.ts';
import { warmUp } from './warm.ts';

const AT = Date.UTC(2026, 10, 22, 12, 30, 15, 123);
const CPU_US = 5_000_000;
const REPLAYER = fileURLToPath(new URL('../dist/replayer.test.mjs', import.meta.url));

type Asked = { readonly kind: string; readonly id?: number };

/** The same script names as in a cell: they appear in every stack trace. */
const scriptsOf = (source: string) => ({ image: new SandboxImage(data), bundle: new CachedScript(source, 'agent.js') });

function open({ source, config, memory_mib }: Omit<Recorded, 'cranks'>, scripts = scriptsOf(source)) {
  return new Session({ ...scripts, config, memory_mib, load_cpu_us: CPU_US });
}

/** Runs an agent once, with a simulated host whose order of answers and values come from `seed`. */
function record(source: string, seed: number, memory_mib = 64): Recorded {
  const config = {
    agent: 'a',
    at: AT - 1000,
    seed: seed.toString(16).padStart(64, '5'),
    message_bytes: 1_000_000,
    log_bytes: 4_000_000,
    effects_per_crank: 500,
    effects_bytes: 4_000_000,
    ...needsOf(source),
  };
  const session = open({ source, config, memory_mib });
  const cranks: ReplayPayload['cranks'][number][] = [];
  let state = seed >>> 0;
  const draw = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const waiting: Asked[] = [];
  let over = false;
  const crank = (delivery: object) => {
    const text = JSON.stringify({ ...delivery, at: AT + cranks.length * 7 });
    const effects = session.crank(text, CPU_US);
    cranks.push({ crank: cranks.length + 1, delivery: text, effects, cpu_us: CPU_US });
    for (const effect of JSON.parse(effects) as Asked[]) {
      if (effect.kind === 'finish') over = true;
      if (effect.kind === 'abort')
        waiting.splice(
          waiting.findIndex(({ id }) => id === effect.id),
          1,
        );
      else if (effect.id !== undefined) waiting.push(effect);
    }
  };
  try {
    crank({ kind: 'start', run: 'run_000000000000', input: {}, caps: { read: { cap: 1, kind: 'tool', name: 'fs.read' } }, budget: {} });
    while (!over && waiting.length > 0 && cranks.length < 500) {
      const [{ kind, id }] = waiting.splice(draw(waiting.length), 1) as [Asked];
      if (kind === 'timer') crank({ kind: 'timer', id });
      else if (kind === 'spawn')
        crank({
          kind: 'child_ended',
          id,
          run: 'run_111111111111',
          outcome: draw(2) === 0 ? { kind: 'completed', output: draw(9) } : { kind: 'killed', by: 'x', reason: 'y' },
          spent: {},
        });
      else if (draw(3) === 0)
        crank({
          kind: 'reply',
          results: [
            { id, error: { code: 'CORRAL_TOOL_FAILED', class: 'ToolFailed', message: 'no', hint: 'h', retryable: false, call: id } },
          ],
        });
      else crank({ kind: 'reply', results: [{ id, value: { text: 'y'.repeat(draw(20_000)), n: draw(1e6) / 7 } }] });
    }
  } finally {
    session.dispose();
  }
  return { source, config, memory_mib, cranks };
}

function replayed(run: Recorded, memory_mib = run.memory_mib, scripts?: ReturnType<typeof scriptsOf>): FaultPayload | undefined {
  const session = open({ ...run, memory_mib }, scripts);
  try {
    replay(session, run, 0);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.payload;
    throw error;
  } finally {
    session.dispose();
  }
}

/** Replays in another process, with other flags of V8. */
function elsewhere(runs: readonly Recorded[], flags: readonly string[]): (FaultPayload | null)[] {
  const input = JSON.stringify({ data, runs });
  const out = execFileSync(process.execPath, ['--no-node-snapshot', ...flags, REPLAYER], {
    input,
    maxBuffer: 1e8,
  });
  return JSON.parse(out.toString()) as (FaultPayload | null)[];
}

// Bundled first: without a JIT there is no WebAssembly, and Node needs it to strip types.
beforeAll(() => {
  const entryPoints = [fileURLToPath(new URL('fixtures/replayer.ts', import.meta.url))];
  buildSync({
    entryPoints,
    outfile: REPLAYER,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['isolated-vm'],
    logLevel: 'error',
  });
});

/** @param count of agents */
function theSameAgain(count: number): void {
  const kept: Recorded[] = [];

  test('does the same again under any memory limit, cold and warm', { tags: 'long' }, () => {
    fc.assert(
      fc.property(agentBody, fc.nat(1e6), (body, seed) => {
        const source = bundleOf(body);
        const run = record(source, seed);
        expect(run.cranks.at(-1)?.effects).toContain('"finish"');
        kept.push(run);
        const warm = scriptsOf(source);
        const asInACell = scriptsOf(source);
        warmUp(asInACell.image);
        for (const memory_mib of [24, 64, 200]) {
          expect(replayed(run, memory_mib)).toBeUndefined();
          expect(replayed(run, memory_mib, warm)).toBeUndefined();
          expect(replayed(run, memory_mib, asInACell)).toBeUndefined();
        }
      }),
      { seed: 20_261_122, numRuns: count },
    );
  });

  test('does the same again without a JIT, with one that is in a hurry, and while garbage is collected all the time', () => {
    expect(kept.length).toBeGreaterThanOrEqual(count);
    const none = kept.map(() => null);
    expect(elsewhere(kept, ['--jitless'])).toEqual(none);
    expect(elsewhere(kept, ['--always-sparkplug', '--max-lazy', '--stress-gc-during-compilation'])).toEqual(none);
    expect(elsewhere(kept, ['--gc-interval=500', '--no-opt'])).toEqual(none);
  });
}

describe('an agent made at random', () => {
  theSameAgain(15);
});
describe('one of sixty agents made at random', { tags: 'long', timeout: 600_000 }, () => {
  theSameAgain(60);
});

/** Whether the value of an expression is the same with and without a JIT. */
function sameEverywhere(expression: string): FaultPayload | null | undefined {
  const run = record(bundleOf(`log(JSON.stringify(${expression})); return 0;`), 1);
  return replayed(run, 200) ?? elsewhere([run], ['--jitless'])[0];
}

describe('what an agent can look at is the same in every execution:', () => {
  test.each([
    ['a stack trace', `(() => { const deep = (n) => n > 0 ? deep(n - 1) : new Error('x').stack; return deep(20) })()`],
    [
      'a longer stack trace',
      `(() => { Error.stackTraceLimit = 80; const deep = (n) => n > 0 ? deep(n - 1) : new Error('x').stack; return deep(60) })()`,
    ],
    ['a captured stack trace', `(() => { const at = {}; Error.captureStackTrace(at); return at.stack })()`],
    [
      'a stack trace taken apart by the agent',
      `(() => { Error.prepareStackTrace = (_, sites) => sites.map((site) => [site.getFunctionName(), site.getLineNumber(), site.getColumnNumber(), site.isAsync()]); return new Error('x').stack })()`,
    ],
    [
      'an asynchronous stack trace',
      `await (async () => { const inner = async () => { await 0; throw new Error('y') }; try { await inner() } catch (error) { return error.stack } })()`,
    ],
    [
      'a hot function’s stack trace',
      `(() => { const f = (n) => n < 0 ? new Error('hot').stack : n; for (let i = 0; i < 2e5; i++) f(i); return f(-1) })()`,
    ],
    ['a string that is too long', `(() => { try { 'a'.repeat(2 ** 29) } catch (error) { return error.name + error.message } })()`],
    [
      'a BigInt that is too large',
      `(() => { try { return 2n ** (2n ** 30n) > 0n } catch (error) { return error.name + error.message } })()`,
    ],
    [
      'a pattern with too many groups',
      `(() => { try { new RegExp('('.repeat(1e5) + ')'.repeat(1e5)) } catch (error) { return error.name } })()`,
    ],
    [
      'a date in local time',
      `[+new Date('2026-07-01T00:00'), +new Date('July 1 2026 3:00'), new Date(0).toString(), new Date(2026, 6, 1).toLocaleString()]`,
    ],
    [
      'the default locale',
      `[Intl, Intl].flatMap((i) => [new i.NumberFormat().resolvedOptions().locale, new i.DateTimeFormat().resolvedOptions().timeZone, new i.PluralRules().select(2)])`,
    ],
    [
      'the clocks',
      `[performance.now(), performance.timeOrigin, Date.now(), Temporal.Now.instant().toString(), Temporal.Now.plainDateISO().toString()]`,
    ],
    [
      'what a proxy is asked',
      `(() => { const seen = []; const spy = new Proxy([3, 1, 2], { get: (t, k) => (seen.push(String(k)), t[k]), has: (t, k) => (seen.push('?' + String(k)), k in t), set: (t, k, v) => (seen.push('=' + String(k)), (t[k] = v), true), deleteProperty: (t, k) => (seen.push('-' + String(k)), delete t[k]) }); spy.sort(); return seen.join() })()`,
    ],
    [
      'how often a comparison is asked for',
      `(() => { let n = 0; Array.from({ length: 999 }, (_, i) => (i * 7919) % 1000).sort((a, b) => (n++, a - b)); return n })()`,
    ],
    [
      'the sine of many numbers',
      `Array.from({ length: 200 }, (_, i) => Math.sin(i ** 1.7) * Math.tan(i) + Math.pow(i, 1 / 3) + Math.log1p(i) + Math.atan2(i, 3))`,
    ],
    ['the order of keys', `Object.keys(JSON.parse('{"b":1,"10":1,"a":1,"2":1,"__proto__":1}'))`],
    ['a function as text', `(function f(a, b = 2) { return a /* kept */ + b }).toString()`],
    [
      'the text of errors',
      `[() => null.x, () => undefined(), () => [].reduce((a) => a), () => JSON.parse('{"a":}'), () => decodeURI('%'), () => new Array(-1), () => Symbol() + ''].map((f) => { try { f() } catch (error) { return error.message } })`,
    ],
  ])('%s', (_, expression) => {
    expect(sameEverywhere(expression) ?? undefined).toBeUndefined();
  });
});

describe('what depends on the memory limit ends the run, and cannot be caught:', () => {
  test.each([
    ['toReversed', `const some = new Uint8Array(2e6)`, `some.toReversed()`],
    ['toSorted', `const some = new Uint8Array(2e6)`, `some.toSorted()`],
    ['with', `const some = new Uint8Array(2e6)`, `some.with(0, 1)`],
    ['fromBase64', `const text = 'AAAA'.repeat(5e5)`, `Uint8Array.fromBase64(text)`],
    ['fromHex', `const text = 'AA'.repeat(1e6)`, `Uint8Array.fromHex(text)`],
    ['structuredClone', `const some = new Uint8Array(2e6)`, `structuredClone(some)`],
    ['TextEncoder', `const text = 'x'.repeat(2e6)`, `new TextEncoder().encode(text)`],
    ['transfer', `let n = 0`, `new ArrayBuffer(1).transfer(2e6)`],
    ['map', `const some = new Uint8Array(2e6)`, `some.map((one) => one)`],
    ['a subclass', `class Mine extends Uint8Array {}`, `new Mine(2e6)`],
    ['an array', `let n = 0`, `Array.from({ length: 1e5 }, (_, i) => i + 0.5)`],
  ])('%s', (_, before, bomb) => {
    const body = `${before}; const hoard = []; for (;;) { try { hoard.push(${bomb}); if (hoard.length > 3000) throw new Error('no limit') } catch (error) { return String(error) } }`;
    let seen: unknown;
    try {
      seen = record(bundleOf(body), 1, 24).cranks[0]?.effects;
    } catch (error) {
      seen = error instanceof Fault ? error.payload.fault : error;
    }
    expect(seen).toBe('memory');
  });
});

test('functions that are guarded against the memory limit look as V8’s own', () => {
  const body = `const of = (on, name) => { const { value, ...flags } = Object.getOwnPropertyDescriptor(on, name); return [value.name, value.length, String(value), flags] };
    const typed = Object.getPrototypeOf(Uint8Array); return [of(globalThis, 'Uint8Array'), of(typed.prototype, 'map'), of(typed, 'from'), of(ArrayBuffer.prototype, 'transfer')]`;
  const hidden = { writable: true, enumerable: false, configurable: true };
  const native = 'function () { [native code] }';
  expect(JSON.parse(record(bundleOf(body), 1).cranks[0]?.effects ?? '')).toMatchObject([
    {
      output: [
        ['Uint8Array', 3, native, hidden],
        ['map', 1, native, hidden],
        ['from', 1, native, hidden],
        ['transfer', 0, native, hidden],
      ],
    },
  ]);
});

test('what leaves of a stack has no frame of ours in it: those move with every image', () => {
  const { cranks } = record(bundleOf(`console.log(new Error('seen')); throw new Error('thrown')`), 1);
  expect(cranks[0]?.effects).toMatch(/seen.*at Object\.run \(agent\.js.*thrown.*at Object\.run \(agent\.js/s);
  expect(cranks[0]?.effects).not.toContain('prelude');
});

describe('how deep a stack goes', () => {
  const COUNTS = `let depth = 0; const down = () => { depth += 1; down() };`;

  // A cell has no bound for it that V8 keeps: test/hostile/stack.test.ts.
  test('differs from one execution to the next where V8 has a bound for it, which a replay finds in an agent that looks', () => {
    const looks = record(bundleOf(`${COUNTS} try { down() } catch {} return { depth };`), 1);
    const [fault] = elsewhere([looks], ['--stack-size=400', '--jitless']);
    expect(fault).toMatchObject({
      fault: 'diverged',
      kind: 'different',
      crank: 1,
      index: 0,
      seen: expect.stringContaining('depth') as string,
    });
  });

  test('is nobody’s business in an agent that only catches it', () => {
    const catches = record(bundleOf(`${COUNTS} try { down() } catch (error) { return [error.name, error.message, error.stack] }`), 1);
    expect(elsewhere([catches], ['--jitless'])).toEqual([null]);
    expect(elsewhere([catches], ['--stack-size=400'])).toEqual([null]);
  });
});
