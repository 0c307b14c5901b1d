/** Nobody decides about a run that acts for them, and only the owner of a relabelling capability lowers a label. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { CorralError } from '@corral/protocol/errors';
import { samePerson, type People } from './people.ts';
import type { Run } from '../runs/run.ts';
import type { Relabel } from '@corral/broker/ledger/pending';

/** Names for which a run acts: the submitter of the run, or of its first ancestor, and the author of the message that its turn handles. */
function answersFor({ record, asked }: Ledger): readonly string[] {
  return [record.principal, record.submitter, record.who?.person, asked.principal].filter((one) => one !== undefined);
}

/** @throws CORRAL_APPROVER if the run acts for this person, under any of their names */
export function mustBeAnother(people: People, { id, ledger }: Run, by: string, doing: string): void {
  const own = samePerson(people, by, answersFor(ledger));
  if (own === undefined) return;
  const as = own === by ? '' : ` as ${own}, the same person as far as this host knows`;
  throw new CorralError('CORRAL_APPROVER', `${by} submitted ${id}${as}, and so may not ${doing}.`);
}

/*   * Only the owner of the capability may decide, and not about a run that acts for the owner.
 * @throws CORRAL_APPROVER
 */
export function mustOwn(people: People, run: Run, { owner, kind }: Relabel, by: string): void {
  if (!people.namesOf(by).includes(owner))
    throw new CorralError(
      'CORRAL_APPROVER',
      `${by} does not own the capability to ${kind} in ${run.id}; ${owner} alone decides about that.`,
    );
  mustBeAnother(people, run, by, 'vouch for what it or its children read');
}
