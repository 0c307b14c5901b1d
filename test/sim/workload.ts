/** The work of a simulated world: random programs of all that an agent can do. */
import { MICROS } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Dice } from './dice.ts';
import type { Program, Step } from './guest.ts';
import { QUESTION, TOOL_KINDS } from './powers.ts';
import type { Temper } from './temper.ts';

export const SOURCE = '// a simulated bundle';

const tools = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, `tool:${name}`]));
const manifest = (name: string, uses: Record<string, string>, spawns: string[], on_unknown: 'wait' | 'tell') => ({
  name,
  purpose: 'simulated',
  image: 'base',
  uses,
  spawns,
  input: null,
  output: null,
  ceilings: { crank_cpu_ms: 100 },
  budget: {},
  on_unknown,
});

const keeper = { keeper: 'service:keeper' };
/** @param asks whether the agents of jobs may put questions to people */
export const manifestsOf = (asks: boolean) => [
  manifest('root', { ...tools(...TOOL_KINDS, ...(asks ? [QUESTION] : [])), ...keeper }, ['node', 'leaf'], 'wait'),
  manifest('teller', { ...tools(...TOOL_KINDS, ...(asks ? [QUESTION] : [])), ...keeper }, ['node', 'leaf'], 'tell'),
  manifest('node', { ...tools('put', 'pay'), boss: 'mailbox' }, ['leaf'], 'wait'),
  manifest('leaf', { ...tools('put', 'pay'), boss: 'mailbox' }, [], 'tell'),
  { ...manifest('keeper', {}, [], 'wait'), service: { key: null, state: null, on: { keep: { message: null, reply: null } } } },
];

export interface Job {
  readonly at: number;
  readonly tenant: string;
  readonly agent: 'root' | 'teller';
  readonly program: Program;
  readonly budget: Budget;
  readonly wall_ms: number | undefined;
}

interface WorkTemper {
  /** Probability that a program does something for which it is ended. */
  readonly wicked: number;
  readonly long: number;
  /** Probability that a purse is small. */
  readonly poor: number;
  /** Probability that a call is a stream. */
  readonly streams: number;
}

function jobs(dice: Dice, temper: WorkTemper, count: number, within_ms: number): readonly Job[] {
  return Array.from({ length: count }, () => ({
    at: dice.between(0, within_ms),
    tenant: dice.pick(['red', 'red', 'blue']),
    agent: dice.pick(['root', 'teller']),
    program: program(dice, temper, TOOL_KINDS, ['node', 'leaf'], 0),
    budget: dice.chance(temper.poor)
      ? { calls: dice.below(12), messages: dice.below(8), children: dice.below(4), tokens: dice.below(100), ...money(dice.below(16)) }
      : {},
    wall_ms: dice.chance(0.1) ? Math.round(dice.spread(500, 10_000)) : undefined,
  }));
}

function program(dice: Dice, temper: WorkTemper, caps: readonly string[], spawns: readonly string[], expects: number): Program {
  const steps: Step[] = [];
  /** Number of messages that its children will send it. */
  let due = 0;
  const children: string[] = [];
  const size = 1 + dice.below(6);
  for (let i = 0; i < size; i++) {
    const roll = dice.next();
    if (roll < 0.3) steps.push(call(dice, temper, caps));
    else if (roll < 0.42) steps.push({ do: 'all', steps: Array.from({ length: 1 + dice.below(4) }, () => some(dice, temper, caps)) });
    else if (roll < 0.45) {
      // Detectors find this, often in the crank that makes a checkpoint.
      steps.push({ do: 'again', call: { do: 'call', cap: dice.pick(caps), n: dice.below(10) }, times: 2 + dice.below(8) });
      if (dice.chance(0.5)) steps.push({ do: 'checkpoint' });
    } else if (roll < 0.48) steps.push({ do: 'race', call: call(dice, temper, caps), ms: Math.round(dice.spread(0.5, 100)) });
    else if (roll < 0.6) steps.push(sleep(dice));
    else if (roll < 0.72 && spawns.length > 0) {
      const as = `kid${children.length}`;
      const agent = dice.pick(spawns);
      const [up, down] = [dice.below(4), dice.below(3)];
      due += up;
      children.push(as);
      const child = program(dice, temper, ['put', 'pay'], agent === 'node' ? ['leaf'] : [], down);
      const at = dice.below(child.steps.length + 1);
      const sends: Step[] = up === 0 ? [] : [{ do: 'send', to: 'boss', times: up, asks: dice.chance(0.5) }];
      steps.push({
        do: 'spawn',
        as,
        agent,
        program: { ...child, steps: [...child.steps.slice(0, at), ...sends, ...child.steps.slice(at)] },
        caps: { put: narrowed(dice, 'put'), pay: narrowed(dice, 'pay'), boss: { from: 'self' } },
        budget: dice.chance(temper.poor)
          ? {
              calls: dice.below(6),
              messages: dice.below(6),
              ...money(dice.below(10)),
              ...(agent === 'node' ? { children: dice.below(3) } : {}),
            }
          : agent === 'node'
            ? { children: 2, calls: 20, messages: 20, ...money(400) }
            : money(100),
      });
      if (down > 0) {
        if (dice.chance(0.5)) steps.push(some(dice, temper, caps));
        steps.push({ do: 'send', to: as, times: down, asks: dice.chance(0.5) });
      }
    } else if (roll < 0.78) {
      steps.push({ do: 'send', to: 'self', times: 1, asks: dice.chance(0.3) });
      due += 1;
    } else if (roll < 0.86) steps.push({ do: 'checkpoint' });
    else if (roll < 0.92) steps.push({ do: 'say' });
    else if (roll < 0.92 + 0.08 * temper.long) steps.push({ do: 'spin', ms: dice.spread(1, 90) });
    if (spawns.includes('node') && dice.chance(0.15))
      steps.push({
        do: 'keep',
        key: dice.pick(['a', 'b']),
        sleep_ms: dice.chance(0.3) ? Math.round(dice.spread(1, 500)) : 0,
        fatal: dice.chance(temper.wicked),
      });
    if (dice.chance(temper.wicked))
      steps.push(dice.pick<Step>([{ do: 'throw' }, { do: 'fault', fault: 'memory' }, { do: 'spin', ms: 5_000 }]));
  }
  if (expects > 0) steps.splice(dice.below(steps.length + 1), 0, { do: 'receive', times: expects });
  if (due > 0) steps.push({ do: 'receive', times: due });
  for (const as of children) if (dice.chance(0.8)) steps.push({ do: 'join', as });
  if (dice.chance(0.3)) steps.push({ do: 'checkpoint' }, call(dice, temper, caps));
  // Some programs end with a call under way that they no longer wait for.
  if (dice.chance(0.2)) steps.push({ do: 'race', call: call(dice, temper, caps), ms: 1 });
  // Spends what is left in the purse.
  if (dice.chance(temper.poor)) steps.push({ do: 'all', steps: Array.from({ length: 10 }, () => call(dice, temper, caps)) });
  return { steps, obeys: dice.chance(0.5) };
}

const money = (amount: number) => ({ money_micros: amount * MICROS });
const call = (dice: Dice, { streams }: WorkTemper, caps: readonly string[]): Step & { readonly do: 'call' } => ({
  do: 'call',
  cap: dice.pick(caps),
  n: dice.below(10),
  ...(dice.chance(0.1) ? { timeout_ms: 1 + dice.below(50) } : {}),
  ...(streams > 0 && dice.chance(streams) ? { parts: dice.pick([1, 3, 1_000, 1_000]) } : {}),
});
const sleep = (dice: Dice): Step => ({
  do: 'sleep',
  ms: Math.round(dice.chance(0.2) ? dice.spread(3_000, 10_000) : dice.spread(1, 3_000)),
});
const some = (dice: Dice, temper: WorkTemper, caps: readonly string[]): Step => (dice.chance(0.7) ? call(dice, temper, caps) : sleep(dice));
const narrowed = (dice: Dice, from: string) => ({
  from,
  ...(dice.chance(0.2) ? { max: dice.below(10) } : {}),
  ...(dice.chance(0.3) ? { uses: 1 + dice.below(4) } : {}),
});

/** A job that pays from a purse with little more than needed, and waits for people if a result is unknown. */
function inDebt(job: Job): Job {
  const pays = [2, 5, 7].map((n): Step => ({ do: 'call', cap: 'pay', n }));
  const program = { ...job.program, steps: [{ do: 'all' as const, steps: pays }, ...job.program.steps] };
  return { ...job, agent: 'root', program, budget: { ...job.budget, calls: 20, ...money(15 + (job.program.steps.length % 6)) } };
}

/** A job whose payments need approval. */
function dear(job: Job): Job {
  const pays = [8, 3, 9].map((n): Step => ({ do: 'call', cap: 'pay', n }));
  const program = { ...job.program, steps: [{ do: 'all' as const, steps: pays }, ...job.program.steps] };
  return { ...job, program, budget: { ...job.budget, calls: 20, ...money(40) } };
}

/** A job whose first crank has many effects, payments among them. */
function atOnce(job: Job): Job {
  const calls = [1, 2, 3, 4, 5, 6].map((n): Step => ({ do: 'call', cap: n % 2 === 0 ? 'put' : 'pay', n }));
  const program = { ...job.program, steps: [{ do: 'all' as const, steps: calls }, ...job.program.steps] };
  return { ...job, program, budget: { ...job.budget, calls: 30, ...money(40) } };
}

/**
 * A job whose descendants share a grant with a single use. They come to different hosts when their first sleep is over, each host reads how
 * often the grant was used, and then they want it at about the same time.
 */
function sharing(job: Job): Job {
  const use = (first_ms: number): readonly Step[] => [
    { do: 'sleep', ms: first_ms },
    { do: 'sleep', ms: 900 - first_ms },
    { do: 'call', cap: 'put', n: 1 },
  ];
  const all = { put: { from: 'put' }, pay: { from: 'pay' }, boss: { from: 'self' } };
  const leaf = (as: string, first_ms: number): Step => {
    const program = { steps: use(first_ms), obeys: false };
    return { do: 'spawn', as, agent: 'leaf', program, caps: all, budget: { calls: 4 } };
  };
  const leaves = { a: 150, b: 300, c: 450 };
  const joins = Object.keys(leaves).map((as): Step => ({ do: 'join', as }));
  const spawns = Object.entries(leaves).map(([as, first_ms]) => leaf(as, first_ms));
  const program = { steps: [...spawns, ...use(600), ...joins], obeys: false };
  const caps = { ...all, put: { from: 'put', uses: 1 } };
  const node: Step = { do: 'spawn', as: 'kin', agent: 'node', program, caps, budget: { calls: 20, children: 3 } };
  const steps = [node, { do: 'join' as const, as: 'kin' }, ...job.program.steps];
  return { ...job, program: { ...job.program, steps }, budget: { ...job.budget, calls: 40, children: 9 } };
}

/** A job with a child that sends its parent requests, which stay unanswered for long. */
function withFamily(job: Job): Job {
  const child: Program = {
    steps: [
      { do: 'send', to: 'boss', times: 2, asks: true },
      { do: 'sleep', ms: 8_000 },
    ],
    obeys: false,
  };
  const caps = { put: { from: 'put' }, pay: { from: 'pay' }, boss: { from: 'self' } };
  const spawn: Step = { do: 'spawn', as: 'kin', agent: 'leaf', program: child, caps, budget: { messages: 4 } };
  const { steps } = job.program;
  return {
    ...job,
    program: { ...job.program, steps: [spawn, { do: 'sleep', ms: 1_500 }, { do: 'receive', times: 2 }, ...steps] },
    budget: { ...job.budget, messages: 20, children: 6 },
  };
}

/** A job that leaves a stranger's stream after its beginning, and tells itself: it has read what came until then. */
function overhearing(job: Job): Job {
  const steps: readonly Step[] = [
    { do: 'race', call: { do: 'call', cap: 'fetch', n: 1, parts: 1 }, ms: 100 },
    { do: 'send', to: 'self', times: 1, asks: false },
    { do: 'receive', times: 1 },
    ...job.program.steps,
  ];
  return { ...job, program: { ...job.program, steps }, budget: { ...job.budget, calls: 40, messages: 20 } };
}

/** A job that reads many streams to their ends at the same time, so that chunks wait for each other, and the ends are there before them. */
function reading(job: Job): Job {
  const streams = { do: 'all' as const, steps: [1, 3, 5, 7, 9].map((n): Step => ({ do: 'call', cap: 'fetch', n, parts: 1_000 })) };
  return { ...job, program: { ...job.program, steps: [streams, streams, ...job.program.steps] }, budget: { ...job.budget, calls: 60 } };
}

/** A job that asks people, once more than it may at the same time, and gives a question up. */
function asking(job: Job): Job {
  const all = { do: 'all' as const, steps: Array.from({ length: 9 }, (_, n): Step => ({ do: 'call', cap: QUESTION, n })) };
  const race: Step = { do: 'race', call: { do: 'call', cap: QUESTION, n: 9, timeout_ms: 400 }, ms: 200 };
  const one: Step = { do: 'call', cap: QUESTION, n: 10 };
  const steps = job.program.steps.length % 2 === 0 ? [all, race] : [race, one, one];
  return { ...job, program: { ...job.program, steps: [...steps, ...job.program.steps] }, budget: { ...job.budget, calls: 40 } };
}

/**
 * A job that waits for a message. A grandchild alone can write to it at last, and does not: it ends after its parent, whose end is all that the
 * job is told.
 */
function bequeathing(job: Job): Job {
  const all = { put: { from: 'put' }, pay: { from: 'pay' } };
  const heir: Program = { steps: [{ do: 'sleep', ms: 3_000 }], obeys: true };
  const child: Program = {
    steps: [
      { do: 'spawn', as: 'kin', agent: 'leaf', program: heir, caps: { ...all, boss: { from: 'boss' } }, budget: {} },
      { do: 'sleep', ms: 30 },
    ],
    obeys: false,
  };
  const caps = { ...all, boss: { from: 'self' } };
  const spawn: Step = { do: 'spawn', as: 'kin', agent: 'node', program: child, caps, budget: { children: 1 } };
  return {
    ...job,
    program: { ...job.program, steps: [spawn, { do: 'receive', times: 1 }, ...job.program.steps] },
    budget: { ...job.budget, children: 6 },
  };
}

/** The jobs of a world, as its temper has them. */
export function workOf(dice: Dice, temper: Temper): readonly Job[] {
  const { debts, families_every_ms, heirs, midnight, questions, slices, streams, supervisors } = temper;
  const plainly = jobs(dice, { ...temper.work, streams, ...(debts ? { poor: 0.9 } : {}) }, temper.jobs, temper.chaos_ms * 0.7);
  const heard = streams === 0 ? plainly : plainly.map((job, i) => [overhearing, reading][i % 4]?.(job) ?? job);
  const asked = questions ? heard.map((job, i) => (i % 3 === 2 ? job : asking(job))) : heard;
  const drawn = heirs ? asked.map((job, i) => (i % 2 === 0 ? job : bequeathing(job))) : asked;
  const plain = (job: Job) => job;
  const changed = debts ? inDebt : Number.isFinite(families_every_ms) ? withFamily : slices === undefined ? plain : atOnce;
  if (supervisors > 1) return drawn.map((job, i) => (i % 2 === 0 ? sharing(job) : changed(job)));
  return drawn.map(midnight === undefined ? changed : dear);
}
