/** Who may lower a label: the owner of the capability alone, and not where they would vouch for a run of their own. */
import type { Relabel } from '@corral/broker/relabel';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Run } from './runs/run.ts';

/**
 * @param hold as Control has it: whoever submitted the first of a child's ancestors submitted the child
 * @throws CORRAL_APPROVER
 */
export async function mustOwn(
  hold: (id: RunId) => Promise<Run | undefined>,
  { id, ledger }: Run,
  { owner, kind }: Relabel,
  by: string,
): Promise<void> {
  if (by !== owner)
    throw new CorralError('CORRAL_APPROVER', `${by} does not own the capability to ${kind} in ${id}; ${owner} alone decides about that.`);
  let { record } = ledger;
  while (record.parent !== undefined) {
    const parent = await hold(record.parent.run);
    if (parent === undefined)
      throw new CorralError('CORRAL_APPROVER', `${record.parent.run} has ended, so nobody can say who submitted ${id}.`);
    ({ record } = parent.ledger);
  }
  if (record.principal === by)
    throw new CorralError('CORRAL_APPROVER', `${by} submitted ${record.id}, and so does not vouch for what it or its children read.`);
}
