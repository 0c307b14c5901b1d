/** Measures the birth of an isolate by what it has: each image, and an agent of the AI SDK; to the first effects. */
import ivm from 'isolated-vm';
import { CachedScript, type ImageData } from '@corral/cell/image';
import { Session } from '@corral/cell/session';
import { needsOf } from '@corral/guest/abi';
import { agentFile } from '../agents/file.ts';
import { bundleSource } from '../bundles.ts';
import { imageData } from '../image.ts';
import { durations, values, type Figure } from './measure.ts';

const PASSES = 3;
const BIRTHS = 20;
const AT = Date.UTC(2026, 0, 1);
const CPU_US = 10_000_000;
const MEMORY_MIB = 128;

const plain = (body: string) =>
  `var corralBundle = (() => { const options = { name: 'a', run: () => { ${body} } }; return { default: { ...options, [Symbol.for('corral.agent')]: options } } })();`;
const AGENTS: Readonly<Record<string, string>> = {
  base: plain('return 1'),
  'web, streams': plain('new TransformStream(); return 1'),
  'web, fetch': plain(`new Response('x'); return 1`),
};

interface Birth {
  readonly ms: number;
  readonly heap_mib: number;
}

function born(image: ImageData, prelude: CachedScript, source: string, bundle: CachedScript, input: unknown, name: string): Birth {
  const began = performance.now();
  const session = new Session({
    image,
    prelude,
    bundle,
    config: {
      agent: name,
      at: AT,
      seed: '5eed'.repeat(16),
      message_bytes: 1_000_000,
      log_bytes: 1_000_000,
      effects_per_crank: 1000,
      effects_bytes: 1_000_000,
      ...needsOf(source),
    },
    memory_mib: MEMORY_MIB,
    load_cpu_us: CPU_US,
  });
  const caps = { model: { cap: 1, kind: 'tool', name: 'model:default' }, weather: { cap: 2, kind: 'tool', name: 'weather.get' } };
  session.crank(JSON.stringify({ at: AT, kind: 'start', run: 'run_000000000000', input, caps, budget: { calls: 10 } }), CPU_US);
  const ms = performance.now() - began;
  const heap_mib = session.heapKib() / 1024;
  session.retire();
  return { ms, heap_mib };
}

/** An isolate of V8 with a context, and nothing in it. */
function raw(): number[] {
  return Array.from({ length: BIRTHS }, () => {
    const began = performance.now();
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MIB });
    isolate.createContextSync();
    const ms = performance.now() - began;
    isolate.dispose();
    return ms;
  });
}

export async function images(): Promise<Figure[]> {
  const image = imageData();
  const prelude = new CachedScript(image.prelude, 'corral:prelude');
  const { source: support } = await bundleSource(agentFile('frameworks/ai-sdk'), '');
  const figures: Figure[] = [];
  for (const [name, source] of Object.entries({ ...AGENTS, 'AI SDK agent': support })) {
    const [agent, input] = source === support ? ['support', { what: 'generate' }] : ['a', {}];
    const warm = new CachedScript(source, 'agent.js');
    const one = (bundle = warm) => born(image, prelude, source, bundle, input, agent);
    // The second run of a bundle leaves what it compiled to the next.
    for (let i = 0; i < 3; i++) one();
    const each = async (bundle: () => CachedScript) => Array.from({ length: BIRTHS }, () => one(bundle()).ms);
    figures.push(
      await durations(
        `images ${name}, from source`,
        PASSES,
        () => each(() => new CachedScript(source, 'agent.js')),
        async () => raw(),
      ),
      await durations(
        `images ${name}, cached`,
        PASSES,
        () => each(() => warm),
        async () => raw(),
        { note: 'to the first effects; floor: an isolate with a context' },
      ),
      await values(
        `images ${name}, heap`,
        'MiB',
        'less',
        PASSES,
        async () => one().heap_mib,
        async () =>
          born(image, prelude, AGENTS['base'] as string, new CachedScript(AGENTS['base'] as string, 'agent.js'), {}, 'a').heap_mib,
        'floor: an agent that touches nothing',
      ),
    );
  }
  return figures;
}
