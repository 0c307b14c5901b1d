/** Thrown values of agents are told as texts, without frames of the cell, which name paths of the host. */
import { describe, expect, test } from 'vitest';
import { AT, CONFIG, image } from './fixtures/base.ts';
import { CachedScript } from './image.ts';
import { Fault, Session } from './session.ts';

/** All that leaves of an agent: what it was told to do, or the fault that it met. */
function told(source: string): string {
  let session: Session | undefined;
  const texts: string[] = [];
  try {
    session = new Session({
      image,
      bundle: new CachedScript(source, 'agent.js'),
      config: CONFIG,
      memory_mib: 32,
      load_cpu_us: 2_000_000,
    });
    texts.push(
      session.crank(JSON.stringify({ kind: 'start', at: AT, run: 'run_000000000000', input: {}, caps: {}, budget: {} }), 2_000_000),
    );
    texts.push(session.crank(JSON.stringify({ kind: 'timer', at: AT + 1, id: 1 }), 2_000_000));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    texts.push(JSON.stringify(error.payload));
  } finally {
    session?.dispose();
  }
  return texts.join('\n');
}

const THROWN = {
  nothing: `throw undefined`,
  null: `throw null`,
  'a number': `throw 7`,
  'a text': `throw 'text'`,
  'a symbol': `throw Symbol('s')`,
  'a function': `throw () => 1`,
  'an object': `throw { a: 1 }`,
  'an object without a prototype': `throw Object.create(null)`,
  'an object that looks like an error': `throw { name: 'Error', message: 'm', stack: 'Error: m\\n    at somewhere' }`,
  'an object whose stack is an object': `throw { message: 'm', stack: {} }`,
  'an object whose stack throws': `throw { get stack() { throw 1 } }`,
  'an error without a stack': `const e = new Error('m'); delete e.stack; throw e`,
  'an error whose stack is undefined': `const e = new Error('m'); e.stack = undefined; throw e`,
  'an error whose stack is a number': `const e = new Error('m'); e.stack = 5; throw e`,
  'an error whose stack throws': `const e = new Error('m'); Object.defineProperty(e, 'stack', { get() { throw e } }); throw e`,
  'an error whose class was changed': `throw Object.setPrototypeOf(new Error('m'), null)`,
  'an error with a formatter of stacks': `Error.prepareStackTrace = (e, sites) => sites.map((s) => s.getFileName() + s.getThis() + s.getFunction()).join('\\n'); throw new Error('m')`,
  'a proxy': `throw new Proxy({}, { get() { throw 2 } })`,
  'a proxy of an error': `throw new Proxy(new Error('m'), {})`,
  'a revoked proxy': `const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy`,
  'a thenable': `throw { then(f) { f(1) } }`,
  'an error of the SDK': `throw new (corral.errorClass('Denied'))({ code: 'X', message: 'm', hint: 'h', retryable: false })`,
} as const;
const PLACES: Readonly<Record<string, (thrown: string) => string>> = {
  'the bundle': (thrown) => `{ ${thrown} }`,
  'a run': (thrown) => bundle(thrown),
  'a promise that nobody handles': (thrown) => bundle(`void (async () => { ${thrown} })(); await new Promise(() => {})`),
  'a timer': (thrown) => bundle(`setTimeout(() => { ${thrown} }, 1); await new Promise(() => {})`),
  'a microtask': (thrown) => bundle(`queueMicrotask(() => { ${thrown} }); await new Promise(() => {})`),
  'a definition': (thrown) => `var corralBundle = { get default() { ${thrown} } };`,
};
const bundle = (body: string) => `var corralBundle = (() => {
  const options = { name: 'a', run: async () => { ${body} } };
  return { default: { [Symbol.for('corral.agent')]: options, ...options } };
})();`;

const OF_THE_HOST = new RegExp(
  [process.cwd(), 'file:', 'node:', 'node_modules', 'session\\.ts', 'isolated-vm boundary'].join('|').replaceAll('/', '\\/'),
);

// Bug stack-of-the-cell: a thrown value without a stack came with that of the cell, which names the host's paths.
describe.each(Object.entries(PLACES))('in %s', (_, place) => {
  test.each(Object.entries(THROWN))('%s is told without a frame of the host', (_, thrown) => {
    const text = told(place(thrown));
    expect(text).not.toMatch(OF_THE_HOST);
    expect(text).toMatch(/"message"|\[\]/);
  });
});
