/** The runs that a request names: those that match now, and why others that it names do not. */
import type { Operation } from '@corral/protocol/api/roles';
import type { RunSelector } from '@corral/protocol/api/selector';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { RunRow } from '@corral/protocol/ports/front';
import type { ServerContext } from '../context.ts';
import type { Access } from '../../people/access.ts';
import { selected } from '../../jobs/selection.ts';
import { findRun } from './handler.ts';

export type Target =
  | { readonly run: RunId }
  | { readonly agent: string; readonly tenant?: string | undefined }
  | { readonly version: string; readonly tenant?: string | undefined }
  | { readonly tenant: string }
  | { readonly all: true }
  | { readonly where: RunSelector };

/** Whether a request names its runs one by one. */
export const isNamed = (target: Target): boolean => 'run' in target || ('where' in target && target.where.runs !== undefined);

/** The conditions of a target. One run is looked for by its id. */
export const selectorOf = (target: Exclude<Target, { readonly run: RunId }>): RunSelector =>
  'all' in target ? {} : 'where' in target ? target.where : (target as RunSelector);

/** Why one of the runs that a request named was not operated on. */
export interface Refused {
  readonly run: string;
  readonly code: string;
  readonly detail: string;
}
/** The runs that a target means now. */
export interface Meant {
  readonly rows: RunRow[];
  readonly tenant: string | undefined;
  /** Runs that it names and that cannot be operated on. */
  readonly refused: readonly Refused[];
}

const endedText = ({ id, ended_as }: RunRow): string => `${id} has ended already: ${ended_as}.`;

/** Why runs that a request names are not among those that match. */
function unmatched(
  { index }: ServerContext,
  access: Access,
  operation: Operation,
  named: readonly string[],
  matched: ReadonlySet<string>,
): Refused[] {
  return named
    .filter((run) => !matched.has(run))
    .map((run) => {
      const row = index.get(run);
      if (row === undefined || !access.may(operation, row.tenant))
        return { run, code: 'CORRAL_RUN_UNKNOWN', detail: `There is no run ${run} here.` };
      const detail = row.ended_as === null ? `${run} does not meet the other conditions.` : endedText(row);
      return { run, code: 'CORRAL_RUN_STATE', detail };
    });
}

/** The runs that an operation is meant for. @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE, CORRAL_FORBIDDEN */
export async function matching(door: ServerContext, access: Access, operation: Operation, target: Target): Promise<Meant> {
  if ('run' in target) {
    const row = findRun(door, access, operation, target.run);
    if (row.ended_as === null) return { rows: [row], tenant: row.tenant, refused: [] };
    if (operation === 'run.resume') throw new CorralError('CORRAL_RUN_STATE', endedText(row));
    return { rows: [], tenant: row.tenant, refused: [{ run: row.id, code: 'CORRAL_RUN_STATE', detail: endedText(row) }] };
  }
  const selector = selectorOf(target);
  const rows = await selected(door, access, operation, selector);
  const refused = unmatched(door, access, operation, selector.runs ?? [], new Set(rows.map(({ id }) => id)));
  return { rows, tenant: access.some(operation, selector.tenant), refused };
}
