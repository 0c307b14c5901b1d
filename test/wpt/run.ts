/**
 * Runs one file of web-platform-tests (`*.any.js`) in an isolate, as an agent. Nothing is simulated: its timers are effects, which come
 * back in the order in which they are due.
 */
import { needsOf } from '@corral/guest/abi';
import { CachedScript, type SandboxImage } from '@corral/cell/image';
import { Fault, Session } from '@corral/cell/session';
import { broken, resultOf, scriptOf, type FileResult, type Script, type Told } from './script.ts';

const AT = Date.UTC(2026, 0, 1);
const CPU_US = 10_000_000;
/** Cranks of one file. One that waits for more than its timers bring has hung. */
const CRANKS = 5_000;

/** @param root a folder with `resources/testharness.js` and the folders of tests @param file below it */
export function runFile(root: string, file: string, image: SandboxImage): FileResult {
  try {
    const ended = cranked(scriptOf(root, file), image);
    return typeof ended === 'string' ? broken(file, ended) : { file, ...resultOf(ended) };
  } catch (error) {
    return broken(file, error instanceof Fault ? `${error.payload.fault}: ${error.payload.message}` : (error as Error).message);
  }
}

/** The file is evaluated when the agent has run for a millisecond: in its first crank, `performance.now()` is 0, which it is nowhere else. */
function agentOf({ text }: Script): string {
  const body = `(resolve, reject) => setTimeout(() => { globalThis.wptDone = resolve; try { (0, eval)(${JSON.stringify(text)}) } catch (error) { reject(error) } }, 1)`;
  const options = `{ name: 'wpt', run: () => new Promise(${body}) }`;
  return `var corralBundle = (() => { const options = ${options}; return { default: { ...options, [Symbol.for('corral.agent')]: options } }; })();`;
}

/** @returns text: why it did not end */
function cranked(script: Script, image: SandboxImage): Told | string {
  const source = agentOf(script);
  const session = new Session({
    image,
    bundle: new CachedScript(source, 'agent.js'),
    config: {
      agent: 'wpt',
      at: AT,
      seed: '5eed'.repeat(16),
      message_bytes: 4_000_000,
      log_bytes: 4_000_000,
      effects_per_crank: 10_000,
      effects_bytes: 16_000_000,
      ...needsOf(source),
      // As for an agent that asks for a model, whose fetch reaches nothing else.
      ...(script.fetches ? { image: 'web' as const, fetch: 'answered' as const } : {}),
    },
    memory_mib: 256,
    load_cpu_us: CPU_US,
  });
  try {
    let now = AT;
    const timers = new Map<number, number>();
    let delivery: object = { kind: 'start', run: 'run_000000000000', input: {}, caps: {}, budget: { cpu_ms: 100_000 } };
    for (let crank = 0; crank < CRANKS; crank++) {
      const effects = JSON.parse(session.crank(JSON.stringify({ at: now, ...delivery }), CPU_US)) as Record<string, unknown>[];
      for (const effect of effects) {
        if (effect['kind'] === 'timer') timers.set(effect['id'] as number, now + (effect['ms'] as number));
        else if (effect['kind'] === 'abort') timers.delete(effect['id'] as number);
        else if (effect['kind'] === 'finish')
          return effect['error'] === undefined ? (effect['output'] as Told) : (effect['error'] as { readonly message: string }).message;
      }
      const next = [...timers].reduce<[number, number] | undefined>(
        (best, one) => (best === undefined || one[1] < best[1] ? one : best),
        undefined,
      );
      if (next === undefined) return 'it waits for something that does not come';
      timers.delete(next[0]);
      now = Math.max(now, next[1]);
      delivery = { kind: 'timer', id: next[0] };
    }
    return `it did not end in ${CRANKS} cranks`;
  } finally {
    session.dispose();
  }
}
