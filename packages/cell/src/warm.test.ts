import { expect, onTestFinished, test } from 'vitest';
import { image } from './fixtures/base.ts';
import { CachedScript } from './image.ts';
import { Session } from './session.ts';
import { warmUp } from './warm.ts';

const SOURCE = `var corralBundle = (() => {
  const options = { name: 'a', uses: { t: 'tool:t' }, async run({ caps, log }) { log('x'); return await caps.t({}); } };
  return { default: { ...options, [Symbol.for('corral.agent')]: options } };
})();`;
const START = { kind: 'start', run: 'run_000000000000', input: {}, caps: { t: { cap: 1, kind: 'tool', name: 't' } }, budget: {} };
const REPLY = { kind: 'reply', results: [{ id: 1, value: 7 }] };

function open(prelude: CachedScript, bundle: CachedScript): { readonly session: Session; readonly live: () => string } {
  const config = {
    agent: 'a',
    at: 1000,
    seed: '5eed'.repeat(16),
    message_bytes: 1000,
    log_bytes: 1000,
    effects_per_crank: 10,
    effects_bytes: 1000,
    temporal: false,
    image: 'base' as const,
  };
  const session = new Session({ image, prelude, bundle, config, memory_mib: 16, load_cpu_us: 1_000_000 });
  onTestFinished(() => session.dispose());
  return { session, live: () => [START, REPLY].map((delivery) => session.crank(JSON.stringify({ ...delivery, at: 1000 }), 0)).join() };
}

test('the cache of a script takes up the functions that have run, and the next isolate does the same with it', () => {
  const prelude = new CachedScript(image.prelude, 'corral:prelude');
  const bundle = new CachedScript(SOURCE, 'agent.js');
  const first = open(prelude, bundle);
  const before = [prelude, bundle].map((script) => first.session.renew(script));
  const seen = first.live();
  const after = [prelude, bundle].map((script) => first.session.renew(script));
  expect(after[0]).toBeGreaterThan(before[0] as number);
  expect(after[1]).toBeGreaterThan(before[1] as number);
  expect(open(prelude, bundle).live()).toBe(seen);
});

test('a bundle’s second run leaves its compiled functions to the next ones', () => {
  const [prelude, bundle] = [new CachedScript(image.prelude, 'corral:prelude'), new CachedScript(SOURCE, 'agent.js')];
  const lived = () => {
    const { session, live } = open(prelude, bundle);
    const seen = live();
    session.retire();
    return seen;
  };
  /** Size of the cache that a new isolate would make before it runs: it grows with what is compiled of the bundle. */
  const compiled = () => open(prelude, bundle).session.renew(new CachedScript(SOURCE, 'agent.js'));
  const first = lived();
  const before = compiled();
  expect(lived()).toBe(first);
  expect(compiled()).toBeGreaterThan(before);
  expect(lived()).toBe(first);
});

test('a cell that has warmed up has compiled what an agent uses of the prelude, from its start to its end', () => {
  const prelude = new CachedScript(image.prelude, 'corral:prelude');
  warmUp(image, prelude);
  const { session, live } = open(prelude, new CachedScript(SOURCE, 'agent.js'));
  const before = session.renew(prelude);
  expect(live()).toContain('"output":7');
  // V8 adds a few bytes for each function that has run; a compiled function would be larger.
  expect(session.renew(prelude)).toBeLessThan(before * 1.01);
});
