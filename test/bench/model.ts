/** Measures a model behind a capability: what a call costs over the provider's package alone, and what a part of a stream costs the host. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { modelTool } from '@corral/tools/models/model';
import { opened, providerModel } from '@corral/tools/models/providers';
import { values, type Figure } from './measure.ts';
import { benchWorld } from './world.ts';

const CALLS = 200;
const PARTS = 3000;
const PASSES = 5;
const SERVER = fileURLToPath(new URL('./floors/model-server.ts', import.meta.url));

const ASKS = `{ name: 'asks', uses: { model: 'model:default' }, ceilings: { crank_cpu_ms: 5000 }, budget: { calls: 1000000, tokens: 1000000000, cpu_ms: 600000, bytes: 100000000 },
  async run({ input, caps }) {
    if (!input.stream) { for (let n = 0; n < input.n; n++) await caps.model({ prompt: '1' }); return; }
    let parts = 0;
    for await (const _ of caps.model.stream({ prompt: String(input.n) })) parts++;
    return parts;
  } }`;

type Options = Parameters<Awaited<ReturnType<typeof opened>>['doGenerate']>[0];
const asking = (text: string): Options => ({ prompt: [{ role: 'user', content: [{ type: 'text', text }] }] });

export async function model(): Promise<Figure[]> {
  const server = spawn(process.execPath, [SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const options = { provider: 'openai-compatible', model: 'm', base_url: line.toString().trim() } as const;
  const tool = modelTool(
    [{ model: providerModel(options, { secret: () => Promise.resolve('') }), bounds: { max_output_tokens: 100_000 }, prices: () => 0 }],
    { name: 'default' },
  );
  const world = await benchWorld([tool]);
  const version = await world.deploy(ASKS);
  const bare = await opened(options, { key: undefined, secret_key: undefined }, fetch);
  const ran = async (input: object) => (await world.submit(version, input)).ended;
  const each = async (of: () => Promise<unknown>, n: number) => {
    const began = performance.now();
    await of();
    return (performance.now() - began) / n;
  };
  /** Microseconds of this process's CPU. */
  const cpu = async (of: () => Promise<unknown>, n: number) => {
    const before = process.cpuUsage();
    await of();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / n;
  };
  const generate = async () => {
    for (let n = 0; n < CALLS; n++) await bare.doGenerate(asking('1'));
  };
  const stream = async () => {
    const { stream: parts } = await bare.doStream(asking(String(PARTS)));
    for await (const _ of parts);
  };
  // The first of each loads and compiles.
  await Promise.all([generate(), stream(), ran({ n: 20 })]);
  await ran({ stream: true, n: PARTS });
  const calls = await values(
    'model-call',
    'ms',
    'less',
    PASSES,
    () => each(() => ran({ n: CALLS }), CALLS),
    () => each(generate, CALLS),
    'a call after the other, on loopback; floor: the provider’s package with the fetch of Node, which keeps its connections',
  );
  const parts = await values(
    'model-part',
    'µs',
    'less',
    PASSES,
    () => cpu(() => ran({ stream: true, n: PARTS }), PARTS),
    () => cpu(stream, PARTS),
    'CPU time of the host for one part of a stream; floor: the provider’s package reads the same stream',
  );
  await world.close();
  server.kill();
  return [calls, parts];
}
