import { describe, expect, it } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Observation, Taken } from '@corral/supervisor';
import { FactWriter, KIND, NOT_MEASURED } from '@corral/telemetry/facts';
import { FactReader, type Fact } from '@corral/telemetry/reading';
import { ringMemory } from '@corral/telemetry/ring';
import { RunFacts } from './facts.ts';

const [RUN, ROOT, ORIGIN] = ['run_0123456789ab', 'run_zzzzzzzzzzzz', 'run_999999999999'] as unknown as [RunId, RunId, RunId];
const taken = (more: object = {}): Taken =>
  ({
    record: { id: RUN, root: ROOT, parent: undefined, tenant: 'acme', agent: 'buyer', created_at: 1000, ...more },
    version: 'sha256:1',
    epoch: 3,
    fresh: true,
  }) as unknown as Taken;
const view = { waiting: 'message', cpu_ms: 1, calls: 2, money_micros: 3 };
const seen = (kind: string, more: object = {}): Observation => ({ kind, run: RUN, ...more }) as unknown as Observation;
const ended = seen('ended', { outcome: { kind: 'killed', by: 'ana', reason: '' }, view, taken: taken() });

function telemetry(slots = 64) {
  const memory = ringMemory(slots);
  const writer = new FactWriter(memory);
  const reader = new FactReader(memory);
  const facts = new RunFacts(writer, () => 5000);
  const read = (): Fact[] => {
    const all: Fact[] = [];
    while (reader.read(9, (fact) => all.push(fact)));
    return all;
  };
  return { writer, facts, read };
}

describe('facts about runs', () => {
  // Bug lost-run: where the ring was full as a run came into memory, all later facts of it were about a run that nobody knew.
  it('say what a run is once there is room, before the next fact about it', () => {
    const { writer, facts, read } = telemetry(8);
    while (writer.dropped === 0) writer.parked(ROOT, 1, 'message');
    facts.write(seen('admitted', { taken: taken() }));
    read();
    facts.write(seen('began'));
    facts.write(seen('parked', { view }));
    expect(read().map(({ kind, run }) => [kind, run])).toEqual([
      [KIND.run, RUN],
      [KIND.began, RUN],
      [KIND.parked, RUN],
    ]);
  });

  it('say again what the runs in memory are when the thread was started again, and of no other', () => {
    const { facts, read } = telemetry();
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    facts.write(seen('admitted', { taken: taken({ trace }) }));
    facts.write(seen('admitted', { taken: taken({ id: ORIGIN }), run: ORIGIN }));
    facts.write(seen('parked', { view, run: ORIGIN }));
    read();
    facts.restarted();
    facts.write(seen('began'));
    facts.write(seen('asked', { call: 1, tool: 'pay', run: ORIGIN }));
    expect(read().map(({ kind, run }) => [kind, run])).toEqual([
      [KIND.caller, RUN],
      [KIND.run, RUN],
      [KIND.began, RUN],
      [KIND.asked, ORIGIN],
    ]);
  });

  it('say what a run was that is ended as it comes back, and nothing twice of one that was here', () => {
    const { facts, read } = telemetry();
    facts.write(ended);
    expect(read().map(({ kind, numbers }) => [kind, numbers[1]])).toEqual([
      [KIND.run, 5000],
      [KIND.ended, 1],
    ]);
    facts.write(seen('admitted', { taken: taken() }));
    facts.write(ended);
    expect(read().map(({ kind }) => kind)).toEqual([KIND.run, KIND.ended]);
  });

  it('tell a call that a run left without an answer as failed, with how the run ended', () => {
    const { facts, read } = telemetry();
    facts.write(seen('left', { call: 4, tool: 'model:default', peer: undefined, ms: 700, code: 'killed' }));
    facts.write(seen('left', { call: 5, tool: 'service:claims', peer: ORIGIN, ms: undefined, code: 'killed' }));
    expect(read()).toMatchObject([
      { kind: KIND.call, number: 4, texts: ['model:default', 'killed', 'unknown', 'default'], numbers: [5000, 700, 0, 0, 0] },
      { kind: KIND.call, number: 5, peer: ORIGIN, texts: ['service:claims', 'killed', '', ''], numbers: [5000, NOT_MEASURED, 0, 0, 0] },
    ]);
  });

  it('have the time at which a fork was made, and not that of its origin', () => {
    const { facts, read } = telemetry();
    facts.write(seen('admitted', { taken: taken({ origin: { run: ORIGIN, at: 3, forked_at: 4000 } }) }));
    expect(read()[0]?.numbers[0]).toBe(4000);
  });

  it('know the first ancestor of a run for the log, also after it has left memory', () => {
    const { facts } = telemetry();
    expect(facts.rootOf(RUN)).toBeUndefined();
    facts.write(seen('admitted', { taken: taken() }));
    expect(facts.rootOf(RUN)).toBe(ROOT);
    facts.write(seen('refused', { error: new Error('no') }));
    expect(facts.rootOf(RUN)).toBe(ROOT);
  });
});
