/**
 * Takes a tool back from runs until none of them holds it. A commit that was on its way when the grants were read may have handed it to one of them,
 * by the grant of another run, so the holdings are read again after each time, once those commits are written. A capability in a message is its
 * receiver's from the commit on, also while nobody has read it.
 */
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { ToolReads } from '@corral/protocol/ports/tool-reads';
import type { ToolTaken, ToolTaking } from '@corral/supervisor';
import type { HostPort } from '../ports.ts';

/** Times that a tool is taken back; a run that is handed it faster than that is left to a person. */
const ROUNDS = 5;

export interface TakingDeps {
  readonly host: Pick<HostPort, 'takeTool' | 'settled'>;
  readonly reads: Pick<ToolReads, 'holdings'>;
}

type Outcome = ToolTaken | { readonly error: unknown };

const idsOf = ({ runs }: Pick<ToolTaking, 'runs'>): RunId[] => runs.map(({ id }) => id);

/**
 * @param first grants of other runs than its own are left alone
 * @returns by the runs that held the tool: what was taken, or why they may hold it still
 */
export async function takenFrom(
  { host, reads }: TakingDeps,
  first: ToolTaking,
  by: string,
  reason: string,
): Promise<ReadonlyMap<RunId, Outcome>> {
  const { tool } = first;
  const outcomes = new Map<RunId, Outcome>();
  const failed = (runs: readonly RunId[], error: unknown): void => {
    for (const run of runs) outcomes.set(run, { error });
  };
  const among = new Set(idsOf(first));
  let left: ToolTaking = { ...first, stored: first.stored.filter(({ run }) => among.has(run)) };
  for (let round = 1; left.runs.length > 0; round++) {
    await Promise.all(
      [...host.takeTool(left, by, reason)].map(async ([run, taken]) => {
        const outcome: Outcome = await taken.catch((error: unknown) => ({ error }));
        outcomes.set(run, both(outcomes.get(run), outcome));
      }),
    );
    const runs = left.runs.filter(({ id }) => !('error' in (outcomes.get(id) ?? {})));
    try {
      // A message that was allowed before and is not written yet hands it over too.
      await host.settled();
      const stored = await reads.holdings(tool, idsOf({ runs }));
      const holders = new Set(stored.map(({ run }) => run));
      left = { tool, runs: runs.filter(({ id }) => holders.has(id)), stored };
    } catch (error) {
      // They are taken from as far as is known, and whoever took it back looks again.
      failed(idsOf({ runs }), error);
      break;
    }
    if (round < ROUNDS) continue;
    for (const run of idsOf(left)) failed([run], handedAgain(run, tool));
    break;
  }
  return outcomes;
}

const handedAgain = (run: RunId, tool: string): CorralError =>
  new CorralError(
    'CORRAL_CHANGED',
    `${run} was handed ${tool} each time that it was taken back, and holds it still. Stop who hands it over.`,
  );

/** The outcome of a run in two rounds. */
function both(before: Outcome | undefined, now: Outcome): Outcome {
  if (before === undefined || 'error' in before || 'error' in now) return now;
  return {
    latency_ms: before.latency_ms + now.latency_ms,
    grants_revoked: before.grants_revoked + now.grants_revoked,
    calls_aborted: before.calls_aborted + now.calls_aborted,
    calls: [...before.calls, ...now.calls],
  };
}
