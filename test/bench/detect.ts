/** Measures all detectors of a run: time for an event, and memory for a run. */
import { createHash } from 'node:crypto';
import { canonical } from '@corral/protocol/json';
import { Detectors } from '@corral/policy/detection/detectors';
import type { Seen } from '@corral/policy/detection/events';
import { emptyProfile, learn } from '@corral/policy/detection/profile';
import { callClosed } from './calls.ts';
import { values, type Figure } from './measure.ts';

const EVENTS = 40_000;
const PASSES = 7;
const RUNS = 500;
/** Number of events after which a stream starts again with a new run. */
const RUN_EVENTS = 400;

const WORDS = 'account balance order shipping invoice customer region status total refund page report draft review message address'.split(
  ' ',
);
const words = (n: number, seed: number) =>
  Array.from({ length: n }, (_, i) => `${WORDS[(seed * 7 + i * 3) % WORDS.length]}${(seed * 31 + i) % 97}`).join(' ');

/** Calls with results, and sometimes a message or a reading of the meters. */
function stream(size: 'usual' | 'closed'): Seen[] {
  const events: Seen[] = [];
  for (let i = 0; events.length < RUN_EVENTS; i++) {
    const at = 1_700_000_000_000 + i * 40;
    if (size === 'closed') {
      events.push({ kind: 'call', at, id: i, tool: 'ask', input: { n: i } }, { kind: 'result', at: at + 1, id: i, value: { n: i } });
      continue;
    }
    events.push(
      {
        kind: 'call',
        at,
        id: i,
        tool: `tool_${i % 5}`,
        input: { query: words(6, i), limit: 20, filter: { state: 'open', since: '2026-01-01' } },
      },
      {
        kind: 'result',
        at: at + 20,
        id: i,
        value: { items: Array.from({ length: 4 }, (_, j) => ({ id: i * 4 + j, title: words(5, i + j), amount: i + j * 1.5 })) },
      },
    );
    if (i % 4 === 0) events.push({ kind: 'sent', at: at + 30, peer: 'writer', body: { text: words(30, i) } });
    if (i % 4 === 2)
      events.push({
        kind: 'meter',
        at: at + 30,
        used: { calls: i, bytes: i * 900, memory_mib: 20 + (i % 3) },
        limits: { calls: 10_000, bytes: 1e8, memory_mib: 64 },
      });
  }
  return events;
}

/** The profile of agents that only make the calls of call-closed. */
function smallProfile() {
  const made = emptyProfile();
  for (let run = 0; run < 20; run++)
    learn(
      made,
      Array.from({ length: 12 }, (_, n) => ({ tool: 'ask', input: { n } })),
    );
  return made;
}

function profile() {
  const made = emptyProfile();
  for (let run = 0; run < 20; run++)
    learn(
      made,
      Array.from({ length: 12 }, (_, i) => ({
        tool: `tool_${i % 5}`,
        input: { query: words(6, i + run), limit: 20, filter: { state: 'open', since: '2026-01-01' } },
      })),
    );
  return made;
}

function time(events: readonly Seen[], take: () => (event: Seen) => unknown): number {
  const began = process.hrtime.bigint();
  for (let done = 0; done < EVENTS; done += events.length) {
    const one = take();
    for (const event of events) one(event);
  }
  return Number(process.hrtime.bigint() - began) / (Math.ceil(EVENTS / events.length) * events.length);
}

export async function detect(): Promise<Figure[]> {
  const known = profile();
  const watching = (options: { profile?: typeof known; traced?: true }) => () => {
    const detectors = new Detectors(options);
    return (event: Seen) => detectors.observe(event);
  };
  const plain = () => (event: Seen) => createHash('sha256').update(canonical(event)).digest('hex');
  const usual = stream('usual');
  const closed = stream('closed');
  const pass = (events: readonly Seen[], take: () => (event: Seen) => unknown) => () => Promise.resolve(time(events, take));
  for (const events of [usual, closed]) for (const take of [watching({ profile: known, traced: true }), plain]) time(events, take);

  const event = await values(
    'detect',
    'ns',
    'less',
    PASSES,
    pass(usual, watching({ profile: known, traced: true })),
    pass(usual, plain),
    'an event, all detectors on with a profile and where arguments come from; floor: canonical JSON and SHA-256 of the event',
  );
  const bare = await values(
    'detect-no-profile',
    'ns',
    'less',
    PASSES,
    pass(usual, watching({})),
    pass(usual, plain),
    'the same without a profile',
  );
  const small = await values(
    'detect-small',
    'ns',
    'less',
    PASSES,
    pass(closed, watching({})),
    pass(closed, plain),
    'an event of call-closed: arguments and result of one number',
  );
  const drifting = await values(
    'detect-small-profile',
    'ns',
    'less',
    PASSES,
    pass(closed, watching({ profile: smallProfile(), traced: true })),
    pass(closed, plain),
    'the same with a profile and where arguments come from',
  );
  const bytes = await values(
    'detect-bytes',
    'bytes',
    'less',
    3,
    () => Promise.resolve(buffers(() => filled(usual))),
    () => Promise.resolve(JSON.stringify(filled(usual).save()).length),
    'a run, buffers after 400 events; floor: the same state saved as JSON',
  );
  const call = await callClosed();
  const took = 'p50' in call.figure ? call.figure.p50 * 1000 : Number.NaN;
  const cost = ('value' in drifting.figure ? drifting.figure.value * 2 : Number.NaN) / 1000;
  return [
    event,
    bare,
    small,
    drifting,
    bytes,
    {
      name: 'detect-share',
      unit: 'µs',
      figure: { value: Number(cost.toPrecision(3)) },
      floor: { value: Number(took.toPrecision(4)) },
      ratio: Number((cost / took).toPrecision(3)),
      passes: PASSES,
      note: 'both events of one call, with a profile; floor: call-closed, so the ratio is the share of it',
    },
  ];
}

function filled(events: readonly Seen[]): Detectors {
  const detectors = new Detectors();
  for (const event of events) detectors.observe(event);
  return detectors;
}

/** Bytes in buffers of one object, as the mean over many. */
function buffers(make: () => unknown): number {
  const kept: unknown[] = [];
  const before = process.memoryUsage();
  for (let i = 0; i < RUNS; i++) kept.push(make());
  const after = process.memoryUsage();
  return (after.arrayBuffers - before.arrayBuffers) / kept.length;
}
