/** Synthetic behaviour for which it is known whether and when it goes wrong. */
import { Causes } from '@corral/policy/detection/causes';
import { Detectors } from '@corral/policy/detection/detectors';
import type { Seen } from '@corral/policy/detection/events';
import type { DetectorName, Finding } from '@corral/policy/detection/list';
import { Spawns } from '@corral/policy/detection/spawns';
import { Waits } from '@corral/policy/detection/waits';

/** One case, observed step by step. `trouble`: the step at which the trouble begins; undefined if there is none. */
interface Case {
  readonly steps: number;
  readonly trouble: number | undefined;
  take(step: number): readonly Finding[];
}
export interface Family {
  readonly name: string;
  /** At least one of these detectors must find the trouble; for an empty list no detector may find anything. */
  readonly by: readonly DetectorName[];
  readonly cases: readonly ((random: () => number) => Case)[];
}

/** Random numbers from 0 to 1 by a seed (mulberry32), so that results are reproducible. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const WORDS =
  'amber basin cedar delta ember fjord grove haven islet jetty knoll larch mesa north ocean pearl quartz ridge stone tundra umber vale willow xenon yarrow zephyr'.split(
    ' ',
  );
const text = (random: () => number, words: number) =>
  Array.from({ length: words }, () => `${WORDS[Math.floor(random() * WORDS.length)]}${Math.floor(random() * 500)}`).join(' ');

interface Step {
  readonly tool: string;
  readonly input: unknown;
  readonly value?: unknown;
  readonly error?: string;
  readonly effect?: boolean;
  /** Milliseconds before the step. */
  readonly wait?: number;
  /** Number of attempts that the broker made. */
  readonly attempts?: number;
}

/** A run of calls, each with its result at once. */
function run(steps: readonly Step[], trouble?: number): Case {
  const detectors = new Detectors();
  let at = 1_700_000_000_000;
  return {
    steps: steps.length,
    trouble,
    take(i) {
      const { tool, input, value, error, effect, wait, attempts } = steps[i] as Step;
      at += wait ?? 50;
      const events: Seen[] = [{ kind: 'call', at, id: i, tool, input, ...(effect === undefined ? {} : { effect }) }];
      for (let n = 1; n < (attempts ?? 1); n++) events.push({ kind: 'attempt', at: at + n, id: i });
      events.push({
        kind: 'result',
        at: at + 10,
        id: i,
        ...(error === undefined ? { value } : { error: { code: 'CORRAL_TOOL_FAILED', message: error } }),
      });
      return events.flatMap((event) => detectors.observe(event));
    },
  };
}

const work = (random: () => number): Step => ({
  tool: `tool_${Math.floor(random() * 6)}`,
  input: { about: text(random, 3) },
  value: text(random, 20),
});
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

/** Ten steps of work, then `turns` turns of the same `period` steps, with unrelated steps in between. */
const periodic = (period: number, noise: number, turns: number) => (random: () => number) => {
  const loop = times(period, () => work(random));
  const steps = times(10, () => work(random));
  for (let i = 0; i < period * turns; i++) {
    if (random() < noise) steps.push(work(random));
    steps.push(loop[i % period] as Step);
  }
  return run(steps, 10 + period);
};

const PERIODS = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50];
const seeds = <T>(n: number, one: T): T[] => Array.from({ length: n }, () => one);

const conversation = (turns: number, fresh: boolean) => (random: () => number) => {
  const detectors = new Detectors();
  const polite = [
    'Thank you so much, that is very kind of you!',
    'You are very welcome, it was my pleasure to help!',
    'Thank you again, you have been so very helpful!',
    'It was a pleasure, thank you for the kind words!',
  ];
  return {
    steps: turns,
    trouble: fresh ? undefined : 2,
    take: (i: number) =>
      detectors.observe({
        kind: i % 2 === 0 ? 'received' : 'sent',
        at: i * 1000,
        peer: 'other',
        body: fresh ? text(random, 15) : `${polite[i % 4]} ${WORDS[Math.floor(random() * WORDS.length)]}`,
      }),
  };
};

/** `agents` pass on a message in a ring, each caused by the one before. */
const ring = (agents: number, rounds: number) => () => {
  const causes = new Causes();
  return {
    steps: agents * rounds,
    trouble: agents,
    take: (i: number) => causes.sent(`m${i}`, `agent${i % agents}`, `agent${(i + 1) % agents}`, i === 0 ? undefined : `m${i - 1}`),
  };
};
/** A pipeline: each message is passed on to the end. */
const pipeline = (agents: number) => () => {
  const causes = new Causes();
  return {
    steps: agents * 20,
    trouble: undefined,
    take: (i: number) => causes.sent(`m${i}`, `agent${i % agents}`, `agent${(i % agents) + 1}`, i % agents === 0 ? undefined : `m${i - 1}`),
  };
};
/** Each message causes `fan` more. */
const storm = (fan: number) => () => {
  const causes = new Causes();
  return {
    steps: 200,
    trouble: 1,
    take: (i: number) => causes.sent(`m${i}`, `a${i % 7}`, `a${(i * 3 + 1) % 7}`, i === 0 ? undefined : `m${Math.floor((i - 1) / fan)}`),
  };
};
/** A coordinator asks `workers` and gets one answer from each, job after job. */
const coordinator = (workers: number) => () => {
  const causes = new Causes();
  return {
    steps: workers * 2 * 10,
    trouble: undefined,
    take(i: number) {
      const job = Math.floor(i / (workers * 2));
      const within = i % (workers * 2);
      return within < workers
        ? causes.sent(`q${job}.${within}`, 'boss', `w${within}`)
        : causes.sent(`r${job}.${within}`, `w${within - workers}`, 'boss', `q${job}.${within - workers}`);
    },
  };
};

const forkTree = (fan: number) => () => {
  const spawns = new Spawns();
  return { steps: 400, trouble: 0, take: (i: number) => spawns.spawned(`r${i + 1}`, `r${Math.floor(i / fan)}`, i * 10) };
};
const forkChain = (depth: number) => () => {
  const spawns = new Spawns();
  return { steps: depth, trouble: 0, take: (i: number) => spawns.spawned(`r${i + 1}`, `r${i}`, i * 100) };
};
/** A crew: one parent with `size` children, of which at most three live at a time. */
const crew = (size: number) => () => {
  const spawns = new Spawns();
  return {
    steps: size,
    trouble: undefined,
    take(i: number) {
      if (i >= 3) spawns.ended(`c${i - 3}`);
      return spawns.spawned(`c${i}`, 'boss', i * 1000);
    },
  };
};

const deadlock = (size: number) => (random: () => number) => {
  const waits = new Waits();
  // Others wait too, for runs that are working.
  for (let i = 0; i < 20; i++) waits.waits(`other${i}`, [`busy${Math.floor(random() * 5)}`]);
  return { steps: size, trouble: size - 1, take: (i: number) => waits.waits(`p${i}`, [`p${(i + 1) % size}`]) };
};
/** Every run waits for the next one or for a timer, so each can go on. */
const queue = (size: number) => () => {
  const waits = new Waits();
  return { steps: size, trouble: undefined, take: (i: number) => waits.waits(`p${i}`, [`p${i + 1}`, 'timer'], 'any') };
};

/** An amount that changes by `rate` a second, with a limit of 1000. `trouble`: the second at which it begins to grow too fast. */
const meter = (name: string, rate: (second: number) => number, trouble: number | undefined) => (random: () => number) => {
  const detectors = new Detectors();
  let used = 20;
  return {
    steps: 240,
    trouble,
    take(i: number) {
      used = Math.max(0, used + rate(i) + (random() - 0.5) * 0.5);
      return detectors.observe({ kind: 'meter', at: i * 1000, used: { [name]: used }, limits: { [name]: 1000 } });
    },
  };
};

const LOOPS: readonly DetectorName[] = ['repeat', 'repeat_error', 'cycle', 'near_repeat', 'no_progress', 'stuck'];

export const FAMILIES: readonly Family[] = [
  ...[0, 0.05, 0.1].map((noise): Family => ({
    name: `period 1 to 50, ${noise * 100} % noise`,
    by: ['repeat', 'cycle'],
    cases: PERIODS.flatMap((period) => seeds(5, periodic(period, noise, period === 1 ? 12 : 6))),
  })),
  {
    name: 'same words in another order, nothing new',
    by: LOOPS,
    cases: seeds(20, (random) => {
      const words = text(random, 8).split(' ');
      const value = text(random, 30);
      return run(
        [
          ...times(10, () => work(random)),
          ...times(20, () => ({
            tool: 'search',
            input: {
              query: [...words]
                .sort(() => random() - 0.5)
                .slice(0, 6)
                .join(' '),
            },
            value,
          })),
        ],
        11,
      );
    }),
  },
  {
    name: 'retry storm',
    by: ['repeat_error'],
    cases: seeds(20, (random) =>
      run(
        [
          ...times(10, () => work(random)),
          ...times(30, () => ({ tool: 'pay', input: { to: 'x', request_id: text(random, 1) }, error: 'connection refused', wait: 20 })),
        ],
        11,
      ),
    ),
  },
  {
    name: 'retry storm, other request ids and times',
    by: ['repeat_error'],
    cases: seeds(20, (random) =>
      run(
        [
          ...times(10, () => work(random)),
          ...times(30, (i) => ({
            tool: 'pay',
            input: { to: 'x', timestamp: 1_700_000_000_000 + i },
            error: `timeout at 2026-01-01T10:00:${10 + i}.123Z`,
            wait: 20,
          })),
        ],
        11,
      ),
    ),
  },
  { name: 'endless polite conversation', by: LOOPS, cases: seeds(20, conversation(60, false)) },
  { name: 'messages round 2 to 10 agents', by: ['ping_pong'], cases: times(9, (i) => ring(i + 2, 20)) },
  { name: 'message storm, 2 to 4 a message', by: ['cascade'], cases: times(3, (i) => storm(i + 2)) },
  { name: 'fork tree, 2 to 4 a run', by: ['spawn_tree'], cases: times(3, (i) => forkTree(i + 2)) },
  { name: 'fork chain', by: ['spawn_tree'], cases: times(3, (i) => forkChain(20 + i * 10)) },
  { name: 'deadlock of 2 to 10', by: ['deadlock'], cases: times(9, (i) => deadlock(i + 2)) },
  {
    name: 'slow memory leak',
    by: ['runaway'],
    cases: seeds(
      10,
      meter('memory_mib', (second) => (second < 60 ? 0 : 5), 60),
    ),
  },
  {
    name: 'burst of spending',
    by: ['runaway'],
    cases: seeds(
      10,
      meter('calls', (second) => (second < 100 ? 0.5 : 20), 100),
    ),
  },

  { name: 'quiet: work', by: [], cases: seeds(20, (random) => run(times(1000, () => work(random)))) },
  {
    name: 'quiet: pages',
    by: [],
    cases: seeds(20, (random) =>
      run(
        times(300, (i) => ({
          tool: 'list',
          input: { table: 'orders', page: i + 1, size: 20 },
          value: { page: i + 1, items: times(8, (j) => ({ id: i * 20 + j, name: text(random, 1), state: 'open' })) },
        })),
      ),
    ),
  },
  {
    name: 'quiet: cursors',
    by: [],
    cases: seeds(20, (random) =>
      run(
        times(300, () => ({
          tool: 'list',
          input: { table: 'orders', cursor: text(random, 1) },
          value: { items: times(8, () => ({ name: text(random, 1), state: 'open' })), next: text(random, 1) },
        })),
      ),
    ),
  },
  {
    name: 'quiet: polling with back-off',
    by: [],
    cases: [1.2, 1.5, 2].flatMap((factor) =>
      seeds(5, () =>
        run(
          times(30, (i) => ({
            tool: 'status',
            input: { job: 7 },
            value: i === 29 ? { state: 'done' } : { state: 'pending' },
            wait: Math.min(60_000, 500 * factor ** i),
          })),
        ),
      ),
    ),
  },
  {
    name: 'quiet: many items, one answer',
    by: [],
    cases: seeds(20, (random) =>
      run(
        times(100, (i) => ({
          tool: 'update',
          effect: true,
          input: { row: i, value: text(random, 2) },
          value: { message: 'The row was updated and saved.' },
        })),
      ),
    ),
  },
  {
    name: 'quiet: next and done',
    by: [],
    cases: seeds(20, (random) =>
      run(
        times(60, (i) =>
          i % 2 === 0
            ? { tool: 'next', input: {}, value: { job: `j${i}`, about: text(random, 6) } }
            : { tool: 'done', effect: true, input: { job: `j${i - 1}` }, value: 'ok' },
        ),
      ),
    ),
  },
  {
    name: 'quiet: next and done, 500 short jobs',
    by: [],
    cases: seeds(5, () =>
      run(
        times(1000, (i) =>
          i % 2 === 0 ? { tool: 'next', input: {}, value: { job: i } } : { tool: 'done', effect: true, input: { job: i - 1 }, value: 'ok' },
        ),
      ),
    ),
  },
  {
    name: 'quiet: the broker retries',
    by: [],
    cases: seeds(20, (random) => run(times(40, () => ({ ...work(random), attempts: 6 })))),
  },
  { name: 'quiet: conversation', by: [], cases: seeds(20, conversation(1000, true)) },
  { name: 'quiet: pipelines of 2 to 10', by: [], cases: times(9, (i) => pipeline(i + 2)) },
  { name: 'quiet: coordinator and workers', by: [], cases: [2, 5, 10].map((n) => coordinator(n)) },
  { name: 'quiet: crew', by: [], cases: [5, 20, 28].map((n) => crew(n)) },
  { name: 'quiet: queues of 2 to 10', by: [], cases: times(9, (i) => queue(i + 2)) },
  {
    name: 'quiet: steady use',
    by: [],
    cases: [
      ...seeds(
        5,
        meter('calls', () => 0.5, undefined),
      ),
      ...seeds(
        5,
        meter('memory_mib', (second) => Math.sin(second / 8) * 10, undefined),
      ),
    ],
  },
];
