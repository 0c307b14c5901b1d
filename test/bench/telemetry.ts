/**
 * The cost of telemetry for a call of `call-closed` and for runs a second: with all of it on, beside the same host without. And the cost where it is
 * off: the observations that any host with a front door makes, beside a host that nobody observes.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { RunFacts } from '@corral/server/events/facts';
import { FactWriter, type RunFact } from '@corral/telemetry/facts';
import { FactReader } from '@corral/telemetry/reading';
import { ringMemory } from '@corral/telemetry/ring';
import { Telemetry } from '@corral/telemetry/thread';
import type { RunId } from '@corral/protocol/ids';
import { CALLS, callSampler, CLOSED, LOOP } from './calls.ts';
import { durations, values, type Figure } from './measure.ts';
import { FIRST, mark } from './starts.ts';
import { benchWorld, settled } from './world.ts';

const PASSES = 9;
const FACTS = 200_000;
/** Runs that are submitted at once. */
const RUNS = 300;
const RUN = 'run_0123456789ab' as unknown as RunId;

/** A collector that takes everything, on a thread of its own: one on this loop would be measured too. */
const SINK = `
  const { createServer } = require('node:http');
  const { parentPort } = require('node:worker_threads');
  const server = createServer((request, response) => request.on('end', () => response.end()).resume());
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;

/** A host with an agent that calls a tool again and again, and one that calls a tool once. */
async function host() {
  const { tool, take } = callSampler();
  const world = await benchWorld([tool('ask', CLOSED), mark(() => undefined)]);
  const [caller, brief] = [await world.deploy(LOOP('ask')), await world.deploy(FIRST)];
  const calls = async () => {
    await (
      await world.submit(caller, CALLS)
    ).ended;
    return take();
  };
  const runs = async () => {
    const began = performance.now();
    const all = await Promise.all(Array.from({ length: RUNS }, () => world.submit(brief)));
    await Promise.all(all.map(({ ended }) => ended));
    return (RUNS * 1000) / (performance.now() - began);
  };
  await calls();
  await runs();
  await settled(world);
  return { world, calls, runs };
}

/** Nanoseconds of the loop for a fact of a call, with the ring emptied as its reader does. */
function writing(): number {
  const memory = ringMemory(16_384);
  const [facts, reader] = [new FactWriter(memory), new FactReader(memory)];
  const call = { run: RUN, call: 1, tool: 'ask', code: undefined, at: 0, took_ms: 1, attempts: 1, provider: undefined, model: undefined };
  const fact = { ...call, input_tokens: 0, output_tokens: 0, money_micros: 0, peer: undefined };
  let took = 0n;
  for (let done = 0; done < FACTS; done += 8_000) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < 8_000; i++) facts.call(fact);
    took += process.hrtime.bigint() - began;
    while (reader.read(8_000, () => undefined));
  }
  return Number(took) / FACTS;
}

/** The least that the same fact can cost: an object in a list. */
function noting(): number {
  const began = process.hrtime.bigint();
  let list: Partial<RunFact>[] = [];
  for (let i = 0; i < FACTS; i++) {
    if (list.length === 8_000) list = [];
    list.push({ run: RUN, created_at: i });
  }
  return Number(process.hrtime.bigint() - began) / FACTS;
}

/** Telemetry that sends everything to a collector. */
async function sending() {
  const sink = new Worker(SINK, { eval: true });
  const [port] = (await once(sink, 'message')) as [number];
  const thread = new Telemetry({
    collector: { url: `http://127.0.0.1:${port}`, headers: {} },
    sample: 1,
    latest: false,
    resource: { attributes: [['service.name', 'bench']], version: '0' },
    onTrouble: (signal, why) => why !== undefined && console.error(signal, why),
    onFault: (why) => console.error(why),
    onLost: (error) => console.error(error),
  });
  return { thread, sink };
}

export async function telemetry(): Promise<Figure[]> {
  const { thread, sink } = await sending();
  const [on, observed, off] = [await host(), await host(), await host()];
  on.world.supervisor.observe(new RunFacts(thread.facts, Date.now).write);
  observed.world.supervisor.observe(() => undefined);
  const call = 'a call of call-closed';
  const runs = `${RUNS} runs of one call each, durable, submitted at once`;
  const [all, nothing] = [
    'all spans to a collector; floor: nobody observes',
    'an observer that does nothing, as where it is off; floor: the same',
  ];
  const figures = [
    await durations('telemetry-on call', PASSES, on.calls, off.calls, { note: `${call}, ${all}` }),
    await durations('telemetry-off call', PASSES, observed.calls, off.calls, { note: `${call}, ${nothing}` }),
    await values('telemetry-on runs', 'runs/s', 'more', PASSES, on.runs, off.runs, `${runs}, ${all}`),
    await values('telemetry-off runs', 'runs/s', 'more', PASSES, observed.runs, off.runs, `${runs}, ${nothing}`),
    await values(
      'telemetry-fact',
      'ns',
      'less',
      PASSES,
      async () => writing(),
      async () => noting(),
      'a fact of a call, on the loop; floor: an object in a list',
    ),
  ];
  for (const { world } of [on, observed, off]) await world.close();
  await thread.close();
  await sink.terminate();
  console.error(`dropped facts: ${thread.facts.dropped}`);
  return figures;
}
