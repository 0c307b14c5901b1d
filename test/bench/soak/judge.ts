/** Compares what runs report with the lines that their tools wrote: lost effects, doubled effects, and other faults. */
import type { Json } from '@corral/protocol/json';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Job } from './work.ts';

export interface Ended {
  readonly job: Job;
  /** Undefined: it has not ended, or the host does not know it. */
  readonly outcome: Outcome | undefined;
  /** Number of calls of the run and its children that a person settled as failed. */
  readonly settled: number;
}

export interface Verdict {
  /** Accepted work that has not ended, and answered effects without a line. */
  readonly lost: string[];
  /** Effects of tools that may not be repeated, if they happened twice or although they were refused. */
  readonly twice: string[];
  /** Outcomes, answers and failures without an explanation. */
  readonly otherwise: string[];
}

/** The result of an agent of the soak: its own account of its calls. */
interface Did {
  readonly run?: string;
  readonly once: number;
  readonly again: number;
  readonly pay: number;
  readonly failed: readonly string[];
}

const REPEATABLE = 'soak.again';
/** The calls of each kind of run, in order; for families, of each member. */
const CALLS: Readonly<Record<Exclude<Job['kind'], 'send'>, readonly ('once' | 'again' | 'pay')[]>> = {
  short: ['again', 'once', 'again'],
  family: ['once'],
  sleeper: ['once'],
  asker: ['pay'],
};
/** The code that the agent gets for each decision. Calls that nobody decides about end by the agent's own timeout. */
const REFUSALS = { approve: undefined, deny: 'CORRAL_APPROVAL_DENIED', expire: 'CORRAL_TIMED_OUT' } as const;

const lineOf = (tool: string, run: string, call: number | string) => `${tool} ${run}:${call}`;
export const isLine = (written: string, tool: string, run: string, call: number): boolean =>
  `\n${written}`.includes(`\n${lineOf(tool, run, call)}\n`);

/** @param written the file's text: a line for each attempt of a tool, with its name and the idempotency key */
export function judge(ended: readonly Ended[], written: string): Verdict {
  const lines = new Map<string, number>();
  for (const line of written.split('\n').filter(Boolean)) lines.set(line, (lines.get(line) ?? 0) + 1);
  const byRun = new Map<string, string[]>();
  for (const line of lines.keys()) {
    const run = /^\S+ (\S+):/.exec(line)?.[1] ?? '';
    byRun.set(run, [...(byRun.get(run) ?? []), line]);
  }
  const verdict: Verdict = { lost: [], twice: [], otherwise: [] };
  for (const [line, times] of lines) if (times > 1 && !line.startsWith(REPEATABLE)) verdict.twice.push(`${line} was done ${times} times`);
  for (const { job, outcome, settled } of ended) {
    const name = `${job.kind} ${job.run}`;
    if (outcome === undefined) verdict.lost.push(`${name} has not ended`);
    else if (outcome.kind !== 'completed') verdict.otherwise.push(`${name} ended as ${JSON.stringify(outcome)}`);
    else if (job.kind !== 'send') judgeOne(job, outcome.output, settled, (run) => byRun.get(run) ?? [], verdict);
  }
  return verdict;
}

function judgeOne(job: Job, output: Json, settled: number, linesOf: (run: string) => string[], verdict: Verdict): void {
  const name = `${job.kind} ${job.run}`;
  let members = [output];
  if (job.kind === 'family') {
    const { members: own, replies } = output as { members: Json[]; replies: Json[] };
    members = own;
    if (JSON.stringify(replies) !== '[2,4]') verdict.otherwise.push(`${name} was answered ${JSON.stringify(replies)}`);
  }
  const failures: string[] = [];
  for (const member of members) {
    if (typeof member !== 'object' || member === null) {
      verdict.otherwise.push(`${name} has a child that ended as ${String(member)}`);
      continue;
    }
    const did = member as unknown as Did;
    const wanted = CALLS[job.kind as keyof typeof CALLS];
    const lines = linesOf(did.run ?? job.run);
    for (const tool of ['once', 'again', 'pay'] as const) {
      const there = lines.filter((line) => line.startsWith(`soak.${tool} `)).length;
      if (there < did[tool]) verdict.lost.push(`${name} had ${did[tool]} answers of soak.${tool}, which wrote ${there}`);
      const most = wanted.filter((one) => one === tool).length;
      if (there > most) verdict.twice.push(`${name} called soak.${tool} ${most} times, which wrote ${there}`);
    }
    const answers = did.once + did.again + did.pay + did.failed.length;
    if (answers !== wanted.length) verdict.lost.push(`${name} had ${answers} answers to ${wanted.length} calls`);
    failures.push(...did.failed);
  }
  judgeFailures(job, failures, settled, linesOf(job.run), verdict);
}

/** Checks failures: each must follow from a person's refusal, or from a call that a person settled as failed. */
function judgeFailures(job: Job, failures: string[], settled: number, lines: readonly string[], verdict: Verdict): void {
  const name = `${job.kind} ${job.run}`;
  const refusal = job.want === undefined ? undefined : REFUSALS[job.want];
  if (refusal !== undefined) {
    if (lines.length > 0) verdict.twice.push(`${name} paid, although it was to ${job.want}`);
    if (failures.join() !== refusal)
      verdict.otherwise.push(`${name} was to ${job.want}, and its agent was told ${failures.join() || 'yes'}`);
  } else if (failures.length > settled) verdict.otherwise.push(`${name} was told ${failures.join()}, and people have settled ${settled}`);
}
