import { expect, onTestFinished, test } from 'vitest';
import { data } from './fixtures/base.ts';
import { CachedScript, SandboxImage } from './image.ts';
import { Session } from './session.ts';
import { warmUp } from './warm.ts';

const SOURCE = `var corralBundle = (() => {
  const options = { name: 'a', uses: { t: 'tool:t' }, async run({ caps, log }) { log('x'); return await caps.t({}); } };
  return { default: { ...options, [Symbol.for('corral.agent')]: options } };
})();`;
const START = { kind: 'start', run: 'run_000000000000', input: {}, caps: { t: { cap: 1, kind: 'tool', name: 't' } }, budget: {} };
const REPLY = { kind: 'reply', results: [{ id: 1, value: 7 }] };

function open(image: SandboxImage, bundle: CachedScript): { readonly session: Session; readonly live: () => string } {
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
  const session = new Session({ image, bundle, config, memory_mib: 16, load_cpu_us: 1_000_000 });
  onTestFinished(() => session.dispose());
  return { session, live: () => [START, REPLY].map((delivery) => session.crank(JSON.stringify({ ...delivery, at: 1000 }), 0)).join() };
}

test('the cache of a script takes up the functions that have run, and the next isolate does the same with it', () => {
  const image = new SandboxImage(data);
  const bundle = new CachedScript(SOURCE, 'agent.js');
  const first = open(image, bundle);
  const before = [image.prelude, bundle].map((script) => first.session.renew(script));
  const seen = first.live();
  const after = [image.prelude, bundle].map((script) => first.session.renew(script));
  expect(after[0]).toBeGreaterThan(before[0] as number);
  expect(after[1]).toBeGreaterThan(before[1] as number);
  expect(open(image, bundle).live()).toBe(seen);
});

test('a bundle’s second run leaves its compiled functions to the next ones', () => {
  const [image, bundle] = [new SandboxImage(data), new CachedScript(SOURCE, 'agent.js')];
  const lived = () => {
    const { session, live } = open(image, bundle);
    const seen = live();
    session.retire();
    return seen;
  };
  /** Size of the cache that a new isolate would make before it runs: it grows with what is compiled of the bundle. */
  const compiled = () => open(image, bundle).session.renew(new CachedScript(SOURCE, 'agent.js'));
  const first = lived();
  const before = compiled();
  expect(lived()).toBe(first);
  expect(compiled()).toBeGreaterThan(before);
  expect(lived()).toBe(first);
});

test('the first run that needs a part of the image leaves its compiled functions to all bundles of the cell', () => {
  const using = (what: string) => new CachedScript(SOURCE.replace(`log('x')`, `log(${what})`), 'agent.js');
  /** Size of what is compiled of a part in an isolate that only evaluates it. */
  const compiled = (image: SandboxImage) => {
    const { session, live } = open(image, using('typeof URL'));
    live();
    return session.renew(image.part('url'));
  };
  const image = new SandboxImage(data);
  const { session, live } = open(image, using(`new URL('http://a.example/b?c=d').href`));
  expect(live()).toContain('http://a.example/b?c=d');
  session.retire();
  expect(compiled(image)).toBeGreaterThan(compiled(new SandboxImage(data)) * 1.2);
});

test('a cell that has warmed up has compiled what an agent uses of the prelude, from its start to its end', () => {
  const image = new SandboxImage(data);
  warmUp(image);
  const { session, live } = open(image, new CachedScript(SOURCE, 'agent.js'));
  const before = session.renew(image.prelude);
  expect(live()).toContain('"output":7');
  // V8 adds a few bytes for each function that has run; a compiled function would be larger.
  expect(session.renew(image.prelude)).toBeLessThan(before * 1.01);
});
