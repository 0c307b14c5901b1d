/** Facts about a journal that was pruned: when, by whom and by which retention. */
import type { Pruned } from '@corral/protocol/ports/evidence';
import type { FrontReads } from '@corral/protocol/ports/front-reads';
import type { PrunedFacts } from './story.ts';

/** An act may be recorded this long after the deletion that it was: a sweep of much takes as long. Milliseconds. */
const LATE_MS = 3_600_000;
/** Acts within that time that are looked at. */
const ACTS = 50;

/** An act of collection, as the record has it. */
interface Collected {
  readonly by?: unknown;
  readonly target?: { readonly retention_ms?: Readonly<Record<string, unknown>> };
}

/** By the first collection that was recorded after it. @param kept_ms the retention in force now, for what went while the run went on */
export async function prunedFacts(
  reads: Pick<FrontReads, 'acts'>,
  tenant: string,
  { entries, at }: Pruned,
  kept_ms: number | undefined,
): Promise<PrunedFacts> {
  if (at === undefined) return { entries, by: null, retention_ms: kept_ms ?? null };
  const acts = await reads.acts({ operation: ['collect'], since: at, until: at + LATE_MS, limit: ACTS });
  const act = acts.map(({ text }) => JSON.parse(text) as Collected).findLast(({ target }) => target?.retention_ms?.[tenant] !== undefined);
  const retention_ms = act?.target?.retention_ms?.[tenant];
  return {
    entries,
    at,
    by: typeof act?.by === 'string' ? act.by : null,
    retention_ms: typeof retention_ms === 'number' ? retention_ms : null,
  };
}

export function prunedView({ entries, at, by, retention_ms }: PrunedFacts, run: string, tenant: string) {
  return {
    code: 'CORRAL_JOURNAL_PRUNED' as const,
    entries,
    at: at ?? null,
    by,
    retention_ms,
    next: [
      `\`corral show ${run}\` has its outcome, and \`corral verify ${run}\` checks its hash chain.`,
      'A backup from before has the entries: `corral journal RUN --data BACKUP` reads them there.',
      `A longer \`retention.journals\` of the tenant ${tenant} keeps those of later runs.`,
    ],
  };
}
