/** Measures the CPU time of an await in an isolate, with the contexts of AsyncLocalStorage and, as the floor, without. */
import { CachedScript } from '@corral/cell/image';
import { Session } from '@corral/cell/session';
import { ASYNC_HOOKS, needsOf } from '@corral/guest/abi';
import { builtImage } from '../image.ts';
import { values, type Figure } from './measure.ts';

const PASSES = 7;
const TIMES = 200_000;
const AT = Date.UTC(2026, 0, 1);
const CPU_US = 60_000_000;

const agent = (run: string, head = '') =>
  `var corralBundle = (() => { ${head} const options = { name: 'a', run: ${run} }; return { default: { ...options, [Symbol.for('corral.agent')]: options } } })();`;
const LOOP = `let i = 0; i < ${TIMES}; i++`;
const CHAIN = `() => { let i = 0; const again = () => i++ < ${TIMES} ? Promise.resolve(null).then(again) : 1; return again() }`;
const WITH = `const { AsyncLocalStorage, run } = ${ASYNC_HOOKS}; const storage = new AsyncLocalStorage();`;
/** Each as it is without contexts, and as the bundler makes it for a bundle with them. */
const LOOPS: Readonly<Record<string, readonly [without: string, withContexts: string]>> = {
  'an await': [
    agent(`async () => { for (${LOOP}) await null; return 1 }`),
    agent(`() => storage.run(1, () => run(null, null, function* () { for (${LOOP}) yield null; return 1 }))`, WITH),
  ],
  'a call of then': [agent(CHAIN), agent(`() => storage.run(1, ${CHAIN})`, WITH)],
};

/** CPU time of one round of a loop. Nanoseconds. */
function costOf(source: string): number {
  const session = new Session({
    image: builtImage(),
    bundle: new CachedScript(source, 'agent.js'),
    config: {
      agent: 'a',
      at: AT,
      seed: '5eed'.repeat(16),
      message_bytes: 100_000,
      log_bytes: 100_000,
      effects_per_crank: 10,
      effects_bytes: 100_000,
      ...needsOf(source),
    },
    memory_mib: 128,
    load_cpu_us: CPU_US,
  });
  const before = process.cpuUsage();
  session.crank(JSON.stringify({ at: AT, kind: 'start', run: 'run_000000000000', input: {}, caps: {}, budget: {} }), CPU_US);
  const { user, system } = process.cpuUsage(before);
  session.dispose();
  return ((user + system) * 1000) / TIMES;
}

export async function awaits(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [name, [without, withContexts]] of Object.entries(LOOPS))
    figures.push(
      await values(
        `awaits, ${name}`,
        'ns',
        'less',
        PASSES,
        async () => costOf(withContexts),
        async () => costOf(without),
        'with contexts; floor: without',
      ),
    );
  return figures;
}
