/** An isolate that was made before its run was known: it does what one that is made for the run does, or it is not made. */
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { needsOf, type RunConfig, type SpareConfig } from '@corral/guest/abi';
import { agentBody, bundleOf } from './fixtures/agents.ts';
import { AT, CONFIG, image } from './fixtures/base.ts';
import { CachedScript } from './image.ts';
import { Fault, Session } from './session.ts';

const CAPS = { t: { cap: 1, kind: 'tool', name: 't' }, read: { cap: 2, kind: 'tool', name: 'read' } };
const START = { kind: 'start', run: 'run_000000000000', input: {}, caps: CAPS, budget: { calls: 10 } };

const { agent, at, seed, ...SHARED } = CONFIG;
const RUN: RunConfig = { agent, at, seed };

function open(source: string, config: typeof CONFIG | SpareConfig): Session {
  const needs = { ...config, ...needsOf(source) };
  const session = new Session({ image, bundle: new CachedScript(source, 'agent.js'), config: needs, memory_mib: 64, load_cpu_us: 0 });
  onTestFinished(() => session.dispose());
  return session;
}
function spare(source: string): Session {
  const session = open(source, SHARED);
  session.begin(RUN);
  return session;
}

/** Effects of the first cranks; each call is answered and each timer comes. */
function live(session: Session): string[] {
  const seen = [session.crank(JSON.stringify({ at: AT, ...START }), 0)];
  for (let crank = 1; crank < 30; crank++) {
    const asked = (JSON.parse(seen.at(-1) as string) as { kind: string; id?: number }[]).filter(({ id }) => id !== undefined);
    if (asked.length === 0) break;
    for (const { kind, id } of asked) {
      const delivery = kind === 'timer' ? { kind, id } : { kind: 'reply', results: [{ id, value: { n: crank } }] };
      seen.push(session.crank(JSON.stringify({ at: AT + crank, ...delivery }), 0));
    }
  }
  return seen;
}

const bundle = (head: string, body: string) => `var corralBundle = (() => {
  ${head}
  const options = { name: 'a', run: async ({ caps, log, sleep }) => { ${body} } };
  return { default: { ...options, [Symbol.for('corral.agent')]: options } };
})();`;

/** Draws and reads of all kinds, in a run. */
const ALL = `return [Date.now(), new Date().toISOString(), Date(), performance.now(), performance.timeOrigin, JSON.stringify(performance), Math.random(), Math.random(),
  crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(5))], new Event('x').timeStamp, new Intl.DateTimeFormat().format()];`;

describe('an isolate that was made in advance', () => {
  test('has the time and the randomness of its run', () => {
    const seen = live(spare(bundle('', ALL)));
    expect(seen).toEqual(live(open(bundle('', ALL), CONFIG)));
    expect(seen[0]).toContain(new Date(AT).toISOString());
  });

  test('does what one that is made for the run does, for agents made at random', () => {
    fc.assert(
      fc.property(agentBody, (body) => {
        const source = bundleOf(body);
        const sessions = [spare(source), open(source, CONFIG)] as const;
        expect(live(sessions[0])).toEqual(live(sessions[1]));
        for (const session of sessions) session.dispose();
      }),
      { seed: 20_261_129, numRuns: 20 },
    );
  });

  test('keeps what its bundle did while it was loaded: timers, log lines, globals, promises that settle later', () => {
    const source = bundle(
      `console.log('loading', typeof crypto, typeof performance, new Date(5).getTime(), Math.max(1, 2));
       globalThis.kept = [new URL('http://a/b').href, typeof crypto.randomUUID, structuredClone({ a: 1 })];
       setTimeout(() => console.log('due'), 5);
       const later = Promise.resolve(7).then((n) => { globalThis.kept.push(n); return n });
       console.count('x');`,
      `console.count('x'); return [kept, await later, await caps.t({})]`,
    );
    const seen = live(spare(source));
    expect(seen).toEqual(live(open(source, CONFIG)));
    expect(seen.join()).toContain('loading');
  });

  test('goes on with the numbers of effects and capabilities of a segment', () => {
    const source = bundle('', 'return [await caps.t({}), Math.random()]');
    const next = { ...START, at: AT, state: 1, next_id: 17, next_cap: 9 };
    const seen = spare(source).crank(JSON.stringify(next), 0);
    expect(seen).toContain('"id":17');
    expect(seen).toBe(open(source, CONFIG).crank(JSON.stringify(next), 0));
  });
});

describe('a bundle that asks for what is a run’s while it loads', () => {
  test.each([
    'Date.now()',
    'new Date()',
    'Date()',
    'new (class extends Date {})()',
    'new Date(0).constructor.now()',
    'performance.now()',
    'performance.timeOrigin',
    'JSON.stringify(performance)',
    `performance.mark('a')`,
    `console.time('a')`,
    `new Event('x')`,
    'new Intl.DateTimeFormat().format()',
    'new Intl.DateTimeFormat().formatToParts()',
    'Temporal.Now.instant()',
    'Temporal.Now.plainDateISO()',
    'Math.random()',
    '[3, 1, 2].sort(() => Math.random() - 0.5)',
    'crypto.randomUUID()',
    'crypto.getRandomValues(new Uint8Array(1))',
    'await0.then(() => Math.random())',
  ])('%s: is not loaded in advance, and none of its code runs any more', (what) => {
    const source = bundle(
      `const await0 = Promise.resolve(); let caught = 'nothing'; try { ${what} } catch (error) { caught = String(error) } finally { for (let i = 0; caught !== 'nothing' && i < 1e12; i++); }`,
      'return caught',
    );
    expect(() => open(source, SHARED)).toThrow(Fault);
    expect(() => open(source, SHARED)).toThrow('asks for the time or for randomness');
    // With its run it loads as ever.
    expect(live(open(source, CONFIG))).toEqual([JSON.stringify([{ kind: 'finish', output: 'nothing' }])]);
  });

  test('only touches it: names of clocks and generators may be read and kept', () => {
    const source = bundle(
      'const { now } = Date; const { random } = Math; const p = performance; const c = crypto; const D = Date; const uuid = () => c.randomUUID();',
      'return [now(), random(), p.now(), uuid(), new D().getTime()]',
    );
    expect(live(spare(source))).toEqual(live(open(source, CONFIG)));
  });
});

test('a bundle that fails or never ends while it loads in advance does so there as it does with a run', () => {
  expect(() => open(bundle(`throw new Error('no')`, ''), SHARED)).toThrow('no');
  const endless = bundle('for (;;);', '');
  const config = { ...SHARED, ...needsOf(endless) };
  const made = () => new Session({ image, bundle: new CachedScript(endless, 'agent.js'), config, memory_mib: 64, load_cpu_us: 20_000 });
  expect(made).toThrow('did not load within');
  expect(() => open(bundle('const all = []; for (;;) all.push(new Uint8Array(1e6))', ''), SHARED)).toThrow(/memory|allocation/i);
});
