/** The account of a soak: looks up everything that was accepted, and summarises everything that was measured. */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { judge, type Ended } from './judge.ts';
import { allItems } from '@corral/protocol/api/client';
import { pause } from './host.ts';
import { rowsOf } from './people.ts';
import { OLDEST_MS } from './watch.ts';
import type { Soak } from './parts.ts';
import type { Job } from './work.ts';

const AT_ONCE = 8;
const SECOND_MS = 1_000;
/** Time for the last notifications to arrive after all work has ended. */
const ARRIVE_MS = 2_000;

export interface Account {
  readonly minutes: number;
  readonly every: number;
  readonly calm: number;
  readonly rate: number;
  readonly accepted: number;
  readonly runs: number;
  readonly held_back: number;
  readonly stops: Soak['host']['stops'];
  readonly start_ms: { readonly p50: number; readonly most: number };
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  /** Unexpected outcomes and answers, missing notifications, processes left behind, damage. */
  readonly wrong: readonly string[];
  readonly old: readonly string[];
  readonly oldest_runnable_ms: number;
  readonly oldest_runnable: string;
  /** Delay of the latest sleeper, less the time without a host. */
  readonly latest_wake_ms: number;
  readonly looks: number;
  readonly settled: Soak['done']['settled'];
  readonly decided: Soak['done']['decided'];
  readonly left_to_expire: number;
  readonly heard: Soak['done']['heard'];
  readonly webhooks: {
    readonly taken: number;
    readonly again: number;
    readonly refused: number;
    readonly pending: number;
    readonly given_up: number;
  };
  readonly memory: Readonly<Record<'host' | 'cells', Memory>>;
  readonly descriptors: Memory;
  readonly disk_kib_a_run: number;
  readonly settled_ms: number | null;
  readonly load: { readonly mean: number; readonly most: number };
  readonly folder: string | null;
}

interface Memory {
  /** At rest: of the first and the last rest; `most`: the maximum of all samples. */
  readonly first: number;
  readonly last: number;
  readonly most: number;
  /** Growth per hour within lives, once they are warm, and of the values at rest; null if there is too little data. */
  readonly slope_an_hour: number | null;
  readonly idle_slope_an_hour: number | null;
}

/** Repeats requests that are refused for their rate: on an idle machine the account asks faster than a host allows. */
async function patient<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof CorralError) || error.code !== 'CORRAL_RATE_LIMITED') throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** The outcome of everything that was accepted, according to the host. */
export async function endsOf({ host, work }: Soak): Promise<Ended[]> {
  const ends: Ended[] = [];
  const jobs = [...work.jobs];
  const worker = async () => {
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) ends.push(await endOf(job));
  };
  const endOf = async (job: Job): Promise<Ended> => {
    const run = job.run as RunId;
    const outcome = await patient(() => host.admin.showRun({ params: { run }, query: {} })).then(
      (shown) => shown.outcome ?? undefined,
      () => undefined,
    );
    const failed = outcome !== undefined && /"failed":\["/.test(JSON.stringify(outcome));
    return { job, outcome, settled: failed ? await settledAs(job) : 0 };
  };
  /** Number of calls of a run and its children that people settled as failed. */
  const settledAs = async (job: Job): Promise<number> => {
    const { children } = await patient(() => host.admin.runTree({ params: { run: job.run as RunId } }));
    const runs = [job.run, ...children.map(({ run }) => run)] as RunId[];
    const lists = await Promise.all(
      runs.map((run) => patient(() => allItems((at) => host.admin.runCalls({ params: { run }, query: at })))),
    );
    return lists.flat().filter((call) => call.settled.some(({ how }) => how === 'fail')).length;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return ends;
}

export async function account(
  made: Soak,
  { ends, settled_ms, bytes }: { readonly ends: readonly Ended[]; readonly settled_ms: number | undefined; readonly bytes: number },
): Promise<Account> {
  const { options, host, work, watch, receiver, done } = made;
  const verdict = judge(ends, made.lines());
  await messages(made, verdict);
  const rows = await rowsOf(host.admin, {});
  const { pending, given_up, problems } = await notifications(made, rows);
  const verified = await host.admin.verifyJournals({ body: {} });
  const wrong = [
    ...verdict.otherwise,
    ...work.refused.map((text) => `refused: ${text}`),
    ...problems,
    ...ticks(rows),
    ...verified.damaged.map(({ run, message }) => `${run} is damaged: ${message}`),
    ...verified.log.problems.map(({ subject, message }) => `the log: ${subject}: ${message}`),
  ];
  const late = wakes(made, ends);
  const starts = host.starts_ms.toSorted((a, b) => a - b);
  return {
    minutes: options.minutes,
    every: options.every,
    calm: options.calm,
    rate: options.rate,
    accepted: work.jobs.length,
    runs: rows.length,
    held_back: work.skipped,
    stops: { ...host.stops },
    start_ms: { p50: starts[Math.floor(starts.length / 2)] ?? 0, most: starts.at(-1) ?? 0 },
    lost: verdict.lost,
    twice: verdict.twice,
    wrong,
    old: [
      ...[...watch.old.values()].map(({ age_ms, what }) => `${(age_ms / SECOND_MS).toFixed(1)} s: ${what}`),
      ...late
        .filter(({ late_ms }) => late_ms > OLDEST_MS)
        .map(({ run, late_ms }) => `sleeper ${run} woke ${(late_ms / SECOND_MS).toFixed(1)} s late`),
    ],
    oldest_runnable_ms: watch.oldest.age_ms,
    oldest_runnable: watch.oldest.what,
    latest_wake_ms: late[0]?.late_ms ?? 0,
    looks: watch.looks,
    settled: done.settled,
    decided: done.decided,
    left_to_expire: work.jobs.filter(({ want }) => want === 'expire').length,
    heard: done.heard,
    webhooks: { ...receiver.counts, pending, given_up },
    memory: { host: memory(made, 'host_mib'), cells: memory(made, 'cells_mib') },
    descriptors: memory(made, 'descriptors'),
    disk_kib_a_run: round(bytes / 1024 / Math.max(1, rows.length)),
    settled_ms: settled_ms ?? null,
    load: {
      mean: round(watch.loads.reduce((sum, one) => sum + one, 0) / Math.max(1, watch.loads.length)),
      most: Math.max(0, ...watch.loads),
    },
    folder: null,
  };
}

/** Checks that each message to a service had one turn: as many as were accepted, with the right sum. */
async function messages({ host, work }: Soak, verdict: { lost: string[]; twice: string[] }): Promise<void> {
  for (const [key, { times, sum }] of work.sent) {
    const params = { service: 'counter' as never, key, handler: 'total' as never };
    const { outcome } = await host.admin.sendToService({ params, body: null, query: { wait_ms: 60_000 }, headers: {} });
    const total = (outcome?.kind === 'completed' ? outcome.output : undefined) as { times: number; sum: number } | undefined;
    const text = `the service's ${key} has ${JSON.stringify(total)} of ${times} messages with a sum of ${sum}`;
    if (total === undefined || total.times < times) verdict.lost.push(text);
    else if (total.times > times || total.sum !== sum) verdict.twice.push(text);
  }
}

type Rows = Awaited<ReturnType<typeof rowsOf>>;

/** Checks that each end was reported to the receiver, is still queued, or was given up. */
async function notifications({ host, receiver }: Soak, rows: Rows) {
  await pause(ARRIVE_MS);
  const { items } = await host.admin.listWebhooks({ query: {} });
  const sum = (of: (one: (typeof items)[number]) => number) => items.reduce((total, one) => total + of(one), 0);
  const [pending, given_up] = [sum((one) => one.pending), sum((one) => one.given_up)];
  const missing = rows.filter(({ run, ended_at }) => ended_at !== null && !receiver.ended.has(run));
  const problems =
    missing.length > pending + given_up
      ? missing.map(({ run, agent }) => `the receiver was never told that ${agent} ${run} has ended, and that is not queued`)
      : [];
  return { pending, given_up, problems };
}

/** Checks that a schedule submits at most one run a minute, and that all of them complete. */
function ticks(rows: Rows): string[] {
  const all = rows.filter(({ agent }) => agent === 'tick');
  const minutes = all.map(({ created_at }) => Math.floor(created_at / 60_000));
  return [
    ...all
      .filter(({ ended_as }) => ended_as !== 'completed' && ended_as !== null)
      .map(({ run, ended_as }) => `tick ${run} ended as ${ended_as}`),
    ...[...new Set(minutes.filter((minute, i) => minutes.indexOf(minute) !== i))].map(
      (minute) => `the schedule submitted more than one run at ${new Date(minute * 60_000).toISOString()}`,
    ),
  ];
}

/** How late sleepers woke, the latest first, less the time without a host. */
function wakes({ host }: Soak, ends: readonly Ended[]): { readonly run: string; readonly late_ms: number }[] {
  const late = ends.flatMap(({ job, outcome }) => {
    if (job.kind !== 'sleeper' || outcome?.kind !== 'completed') return [];
    const { due, woke } = outcome.output as { due: number; woke: number };
    // The time without a host does not count. Runs go on shortly before their host reports that it is up; that does not count as late.
    const life = host.lives.findLast(({ began_at }) => began_at <= woke);
    return [{ run: job.run, late_ms: Math.max(0, woke - Math.max(due, life?.up_at ?? 0)) }];
  });
  return late.toSorted((a, b) => b.late_ms - a.late_ms);
}

function memory({ watch }: Soak, of: 'host_mib' | 'cells_mib' | 'descriptors'): Memory {
  const { within, idle } = watch.slope((sample) => sample[of]);
  return {
    first: round(watch.idle[0]?.[of] ?? 0),
    last: round(watch.idle.at(-1)?.[of] ?? 0),
    most: round(Math.max(0, ...watch.samples.map((sample) => sample[of]))),
    slope_an_hour: within === undefined ? null : round(within),
    idle_slope_an_hour: idle === undefined ? null : round(idle),
  };
}

const round = (value: number) => Math.round(value * 10) / 10;
