/** Whose word a call must not wait for, and who alone may lower a label. */
import type { Ledger } from '@corral/broker/ledger';
import type { Relabel } from '@corral/broker/relabel';
import { CorralError } from '@corral/protocol/errors';
import type { Run } from './runs/run.ts';

/** Who asks for what a run does: whoever submitted it or the first of its ancestors, and whoever's message its turn is about. */
export function answersFor({ record, asked }: Ledger): readonly string[] {
  return [record.principal, record.submitter, asked.principal].filter((one) => one !== undefined);
}

/**
 * The owner of the capability alone, and not where they would vouch for a run of their own.
 * @throws CORRAL_APPROVER
 */
export function mustOwn({ id, ledger }: Run, { owner, kind }: Relabel, by: string): void {
  if (by !== owner)
    throw new CorralError('CORRAL_APPROVER', `${by} does not own the capability to ${kind} in ${id}; ${owner} alone decides about that.`);
  if (answersFor(ledger).includes(by))
    throw new CorralError('CORRAL_APPROVER', `${by} submitted ${id}, and so does not vouch for what it or its children read.`);
}
