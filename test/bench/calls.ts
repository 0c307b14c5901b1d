/** Measures one call, from the agent's effect until the agent gets the result. */
import * as z from 'zod';
import type { Tool } from '@corral/protocol/ports/tool';
import { inlineTool } from '@corral/tools/define';
import { ToolHost } from '@corral/tools/host/tool-host';
import { WorkerTools } from '@corral/tools/worker';
import { BareCell, BareCommits } from './floors/floors.ts';
import { durations, values, type Figure } from './measure.ts';
import { benchWorld } from './world.ts';

export const CALLS = 3000;
const PASSES = 5;
export const LOOP = (name: string) =>
  `{ name: 'caller', uses: { ask: 'tool:${name}' }, ceilings: { crank_cpu_ms: 5000 }, budget: { calls: 1000000, cpu_ms: 600000, bytes: 100000000 }, async run({ input, caps }) { for (let n = 0; n < input; n++) await caps.ask({ n }); } }`;
const schema = { input: z.object({ n: z.number() }), output: z.object({ n: z.number() }) };
export const CLOSED = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' } as const;

/** Samples for an agent that calls one tool repeatedly: a sample is the time from one invocation of the tool to the next. */
export function callSampler(): { readonly tool: (name: string, annotations: object) => Tool; readonly take: () => number[] } {
  let last: number | undefined;
  let samples: number[] = [];
  return {
    tool: (name, annotations) =>
      inlineTool({
        ...schema,
        name,
        description: name,
        annotations,
        run({ n }) {
          const now = performance.now();
          if (last !== undefined && n > 0) samples.push(now - last);
          last = now;
          return { n };
        },
      }),
    take() {
      const taken = samples;
      samples = [];
      last = undefined;
      // The first calls warm up the code.
      return taken.slice(200);
    },
  };
}

export async function callClosed(): Promise<Figure> {
  const { tool, take } = callSampler();
  const world = await benchWorld([tool('ask', CLOSED)]);
  const version = await world.deploy(LOOP('ask'));
  const cell = new BareCell();
  let text = await cell.crank('{}');
  const floor = async () => {
    const samples: number[] = [];
    for (let i = 0; i < CALLS; i++) {
      const began = performance.now();
      const [{ id, input }] = JSON.parse(text) as [{ id: number; input: unknown }];
      text = await cell.crank(JSON.stringify({ id, value: input }));
      samples.push(performance.now() - began);
    }
    return samples.slice(200);
  };
  const figure = async () => {
    await (
      await world.submit(version, CALLS)
    ).ended;
    return take();
  };
  await figure();
  await floor();
  const result = await durations('call-closed', PASSES, figure, floor, {
    note: 'readOnly tool in the host’s process; floor: framed echo and a bare crank',
  });
  await cell.close();
  await world.close();
  return result;
}

/** A configuration with one tool, which runs in a process of its own. */
const CONFIGURED = new URL('./floors/configured.ts', import.meta.url);
/** The module with the function of the worker tool. */
const FUNCTIONS = new URL('./floors/functions.ts', import.meta.url);

export async function callEffect(): Promise<Figure[]> {
  const results: Figure[] = [];
  const workers = new WorkerTools({ threads: 1 });
  const { tool, take } = callSampler();
  const inline = tool('inline', {});
  const plain = inlineTool({ ...schema, name: 'plain', description: '', run: (input) => input });
  const hop = workers.tool({ ...schema, name: 'worker', description: '', module: FUNCTIONS, export: 'echo' });
  // The time is taken where the host hands over the call, as for the inline tool.
  const worker: Tool = { ...hop, invoke: async (call) => (await inline.invoke(call), hop.invoke(call)) };
  const source = await ToolHost.open({
    url: CONFIGURED.href,
    lent: {},
    env: process.env,
    secret: () => Promise.reject(new Error('no secrets here')),
    tell: () => undefined,
  });
  const [echo] = await source.make();
  if (echo === undefined) throw new Error('the configured tool is missing');
  const configured: Tool = { ...echo, invoke: async (call) => (await inline.invoke(call), echo.invoke(call)) };
  const signal = new AbortController().signal;
  const call = (n: number) => ({
    input: { n },
    idempotency_key: 'k',
    attempt: 1,
    run: 'run_x' as never,
    tenant: 't' as never,
    agent: 'a',
    person: 'local',
    signal,
  });

  const world = await benchWorld(
    [inline, plain, worker, hop, configured].map((one, i) => ({
      ...one,
      name: ['inline', 'plain', 'worker', 'hop', 'configured'][i] as string,
    })),
  );
  const cell = new BareCell();
  const commits = await BareCommits.open();
  let text = await cell.crank('{}');

  for (const [name, through] of [
    ['inline', plain],
    ['worker', hop],
    ['configured', echo],
  ] as const) {
    const version = await world.deploy(LOOP(name));
    const floor = async () => {
      const samples: number[] = [];
      for (let i = 0; i < CALLS; i++) {
        const began = performance.now();
        const [{ id, input }] = JSON.parse(text) as [{ id: number; input: { n: number } }];
        await commits.commit(text);
        await through.invoke(call(input.n));
        text = await cell.crank(JSON.stringify({ id, value: input }));
        samples.push(performance.now() - began);
      }
      return samples.slice(200);
    };
    const figure = async () => {
      await (
        await world.submit(version, CALLS)
      ).ended;
      return take();
    };
    await figure();
    await floor();
    results.push(
      await durations(`call-effect ${name} 1 run`, PASSES, figure, floor, {
        note: 'floor: echo, bare crank, one FULL commit, the same tool hop',
      }),
    );
  }

  // 64 concurrent runs: calls per second.
  const RUNS = 64;
  // Long enough that the time to start the runs is negligible.
  const EACH = 400;
  for (const [name, through] of [
    ['plain', plain],
    ['hop', hop],
  ] as const) {
    const version = await world.deploy(LOOP(name));
    const figure = async () => {
      const began = performance.now();
      const runs = await Promise.all(Array.from({ length: RUNS }, () => world.submit(version, EACH)));
      await Promise.all(runs.map((run) => run.ended));
      return (RUNS * EACH * 1000) / (performance.now() - began);
    };
    const bare = [new BareCell(), new BareCell()];
    const texts = await Promise.all(bare.map((one) => one.crank('{}')));
    const floor = async () => {
      const began = performance.now();
      // Two processes, as many as a tenant has cells; the 64 runs of each pass take turns.
      const queues: Promise<unknown>[] = bare.map(() => Promise.resolve());
      await Promise.all(
        Array.from({ length: RUNS }, async (_, run) => {
          const at = run % bare.length;
          for (let i = 0; i < EACH; i++) {
            const turn = (queues[at] as Promise<unknown>).then(async () => {
              const [{ id, input }] = JSON.parse(texts[at] as string) as [{ id: number; input: unknown }];
              return (texts[at] = await (bare[at] as BareCell).crank(JSON.stringify({ id, value: input })));
            });
            queues[at] = turn;
            await turn;
            await commits.commit(texts[at] as string);
            await through.invoke(call(i));
          }
        }),
      );
      return (RUNS * EACH * 1000) / (performance.now() - began);
    };
    await figure();
    results.push(
      await values(
        `call-effect ${name === 'plain' ? 'inline' : 'worker'} ${RUNS} runs`,
        'calls/s',
        'more',
        PASSES,
        figure,
        floor,
        'floor: the same steps without Corral, in two bare processes',
      ),
    );
    await Promise.all(bare.map((one) => one.close()));
  }
  await cell.close();
  await commits.close();
  await world.close();
  await source.close(0);
  await workers.close();
  return results;
}
