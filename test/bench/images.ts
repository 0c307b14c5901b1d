/** Measures the birth of an isolate by what it has: each image, and an agent of the AI SDK; to the first effects. */
import ivm from 'isolated-vm';
import { CachedScript, type SandboxImage } from '@corral/cell/image';
import { Session } from '@corral/cell/session';
import { needsOf, type SpareConfig } from '@corral/guest/abi';
import { agentFile } from '../agents/file.ts';
import { bundleSource } from '../bundles.ts';
import { builtImage } from '../image.ts';
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
  /** From the decision to start a run to its first effects. */
  readonly ms: number;
  readonly heap_mib: number;
}

interface Subject {
  readonly image: SandboxImage;
  readonly source: string;
  readonly agent: string;
  readonly input: unknown;
}

/** @param inAdvance whether the isolate is there when the run comes */
function born({ image, source, agent, input }: Subject, bundle: CachedScript, inAdvance = false): Birth {
  const run = { agent, at: AT, seed: '5eed'.repeat(16) };
  const shared = { message_bytes: 1_000_000, log_bytes: 1_000_000, effects_per_crank: 1000, effects_bytes: 1_000_000, ...needsOf(source) };
  const make = (config: SpareConfig) => new Session({ image, bundle, config, memory_mib: MEMORY_MIB, load_cpu_us: CPU_US });
  const spare = inAdvance ? make(shared) : undefined;
  const began = performance.now();
  spare?.begin(run);
  const session = spare ?? make({ ...run, ...shared });
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
  const image = builtImage();
  const { source: support } = await bundleSource(agentFile('frameworks/ai-sdk'), '');
  const subjects: Readonly<Record<string, Subject>> = {
    ...Object.fromEntries(Object.entries(AGENTS).map(([name, source]) => [name, { image, source, agent: 'a', input: {} }])),
    'AI SDK agent': { image, source: support, agent: 'support', input: { what: 'generate' } },
    'AI SDK agent, stream': { image, source: support, agent: 'support', input: { what: 'stream' } },
  };
  const nothing = subjects['base'] as Subject;
  const figures: Figure[] = [];
  for (const [name, subject] of Object.entries(subjects)) {
    const fresh = () => new CachedScript(subject.source, 'agent.js');
    const warm = fresh();
    // The second run of a bundle leaves what it compiled to the next.
    for (let i = 0; i < 3; i++) born(subject, warm);
    const starts = (what: string, bundle: () => CachedScript, inAdvance = false, note?: string) =>
      durations(
        `images ${name}, ${what}`,
        PASSES,
        async () => Array.from({ length: BIRTHS }, () => born(subject, bundle(), inAdvance).ms),
        async () => raw(),
        note === undefined ? {} : { note },
      );
    figures.push(
      await starts('from source', fresh),
      await starts('cached', () => warm),
      await starts('spare', () => warm, true, 'to the first effects; floor: an isolate with a context'),
      await values(
        `images ${name}, heap`,
        'MiB',
        'less',
        PASSES,
        async () => born(subject, warm).heap_mib,
        async () => born(nothing, new CachedScript(nothing.source, 'agent.js')).heap_mib,
        'floor: an agent that touches nothing',
      ),
    );
  }
  return figures;
}
