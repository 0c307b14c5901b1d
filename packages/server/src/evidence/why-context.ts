/**
 * The lines that `why` adds to a run's own journal: the agent's declared purpose, the profile the run is judged by, people's
 * marks.
 */
import { targetText } from '@corral/protocol/ids';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { RunRecord } from '@corral/protocol/model/run';
import type { ServerContext } from '../http/context.ts';

/** @param drifted whether a step was taken because of drift */
export function beside({ registry, profiles, marks, host }: ServerContext, record: RunRecord, version: string, drifted: boolean): string[] {
  const { tenant, agent, id } = record;
  const lines: string[] = [];
  if (drifted) {
    const purpose = purposeOf(registry, tenant, agent, version);
    if (purpose !== undefined && purpose !== '') lines.push(`Its declared purpose: ${purpose}`);
    const row = record.profile === undefined ? undefined : profiles.find(record.profile);
    if (row !== undefined) {
      const others = row.runs.some((run) => run.version === version)
        ? ''
        : ', all of other versions than this one: learn it again if the new behaviour is intended';
      const on = new Date(row.learned_at).toISOString().slice(0, 10);
      lines.push(
        `It is judged by what ${row.learned_by} had learned on ${on} from ${row.runs.length} approved ${row.runs.length === 1 ? 'run' : 'runs'}${others}.`,
      );
    }
  }
  for (const { detector, verdict, by, reason } of marks.of(id))
    lines.push(
      `${by} marked ${detector === '' ? 'the run as bad' : `${detector} as ${verdict === 'confirmed' ? 'right' : 'a false alarm'}`}: ${reason}`,
    );
  for (const one of host.resting())
    if (one.tenant === tenant && one.version === version)
      lines.push(`No new run of its version is taken until ${new Date(one.until).toISOString()}: ${one.why}.`);
  return lines;
}

/**
 * Grants of a run that a person revoked, directly or at their source: a run that goes on without them may behave differently for
 * that reason.
 */
export function takenBack(grants: readonly (Grant & GrantState)[]): string[] {
  return grants.flatMap(({ id, target, revoked_by, revoked_why }) =>
    revoked_by === undefined
      ? []
      : [
          `${revoked_by} took back its grant ${id} of ${target.kind === 'tool' ? targetText(target.tool) : `the mailbox of ${target.run}`}: ${revoked_why}`,
        ],
  );
}

function purposeOf(registry: ServerContext['registry'], tenant: string, agent: string, version: string): string | undefined {
  try {
    return registry.resolve(tenant, `${agent}@${version}`).manifest.purpose;
  } catch {
    return undefined;
  }
}
