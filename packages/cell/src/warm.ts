/**
 * Runs small agents before a cell takes real ones. The first isolate of a process costs several times as much as the next, and
 * the parts of the prelude that these agents use are compiled here once for all isolates of the cell.
 */
import { CachedScript, type SandboxImage } from './image.ts';
import { Session } from './session.ts';

const AT = 1;
const CAPS = { ask: { cap: 1, kind: 'tool', name: 'ask' } };
const START = { kind: 'start', run: 'run_000000000000', input: {}, caps: CAPS, budget: { calls: 1 } };

/**
 * Typical behaviour of agents, each with the deliveries it handles. Rarely used parts are left out, because every isolate would
 * carry them.
 */
const LIVES: readonly { readonly definition: string; readonly deliveries: readonly object[] }[] = [
  {
    definition: `uses: { ask: 'tool:ask' }, async run({ caps, log }) { log('a', {}); await caps.ask({ b: [1] }); return {}; }`,
    deliveries: [START, { kind: 'reply', results: [{ id: 1, value: {} }] }],
  },
  {
    definition: `on: { say: { async run({ message, state }) { return message; } } }, initial: {}`,
    deliveries: [
      { ...START, state: {} },
      { kind: 'message', from: { run: 'run_000000000001', agent: 'a' }, body: { on: 'say', message: {} }, request: 1 },
    ],
  },
];

export function warmUp(image: SandboxImage): void {
  for (const { definition, deliveries } of LIVES) {
    const bundle = `var corralBundle = (() => { const options = { name: 'warm', ${definition} };
      return { default: { ...options, [Symbol.for('corral.agent')]: options } }; })();`;
    const session = new Session({
      image,
      bundle: new CachedScript(bundle, 'agent.js'),
      config: {
        agent: 'warm',
        at: AT,
        seed: '0'.repeat(64),
        message_bytes: 1024,
        log_bytes: 1024,
        effects_per_crank: 16,
        effects_bytes: 1024,
        temporal: false,
        image: 'base',
      },
      memory_mib: 16,
      load_cpu_us: 5_000_000,
    });
    for (const delivery of deliveries) session.crank(JSON.stringify({ at: AT, ...delivery }), 0);
    session.renew(image.prelude);
    session.dispose();
  }
}
