/**
 * The cost of telemetry for a call of `call-closed`: with all of it on, beside the same host without. And the cost where it is off: the
 * observations that any host with a front door makes, beside a host that nobody observes.
 */
import { writerOf } from '@corral/server/events/telemetry';
import { FactWriter, type RunFact } from '@corral/telemetry/facts';
import { FactReader } from '@corral/telemetry/reading';
import { ringMemory } from '@corral/telemetry/ring';
import { Telemetry } from '@corral/telemetry/thread';
import type { RunId } from '@corral/protocol/ids';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CALLS, callSampler, CLOSED, LOOP } from './calls.ts';
import { durations, values, type Figure } from './measure.ts';
import { benchWorld } from './world.ts';

const PASSES = 7;
const FACTS = 200_000;
const RUN = 'run_0123456789ab' as unknown as RunId;

/** A host with one agent that calls a tool again and again. */
async function caller() {
  const { tool, take } = callSampler();
  const world = await benchWorld([tool('ask', CLOSED)]);
  const version = await world.deploy(LOOP('ask'));
  const pass = async () => {
    await (
      await world.submit(version, CALLS)
    ).ended;
    return take();
  };
  await pass();
  return { world, pass };
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

export async function telemetry(): Promise<Figure[]> {
  const sink = createServer((request, response) => request.on('end', () => response.end()).resume());
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const thread = new Telemetry({
    collector: { url: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`, headers: {} },
    sample: 1,
    latest: false,
    resource: { attributes: [['service.name', 'bench']], version: '0' },
    onTrouble: (why) => why !== undefined && console.error(why),
    onLost: (error) => console.error(error),
  });
  const [on, observed, off] = [await caller(), await caller(), await caller()];
  on.world.supervisor.observe(writerOf(thread.facts, Date.now));
  observed.world.supervisor.observe(() => undefined);
  const figures = [
    await durations('telemetry-on', PASSES, on.pass, off.pass, {
      note: 'a call of call-closed, all spans to a collector; floor: nobody observes',
    }),
    await durations('telemetry-off', PASSES, observed.pass, off.pass, {
      note: 'the same with an observer that does nothing, as where it is off',
    }),
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
  sink.closeAllConnections();
  sink.close();
  console.error(`dropped facts: ${thread.facts.dropped}`);
  return figures;
}
