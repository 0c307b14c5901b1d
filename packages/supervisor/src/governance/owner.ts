/** Whose word a call must not wait for, and who alone may lower a label. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { Relabel } from '@corral/broker/policies/relabel';
import { CorralError } from '@corral/protocol/errors';
import { samePerson, type People } from './people.ts';
import type { Run } from '../runs/run.ts';

/** Who asks for what a run does: whoever submitted it or the first of its ancestors, and whoever's message its turn is about. */
function answersFor({ record, asked }: Ledger): readonly string[] {
  return [record.principal, record.submitter, record.who?.person, asked.principal].filter((one) => one !== undefined);
}

/** @throws CORRAL_APPROVER for somebody who asks for what the run does, under whatever name */
export function mustBeAnother(people: People, { id, ledger }: Run, by: string, doing: string): void {
  const own = samePerson(people, by, answersFor(ledger));
  if (own === undefined) return;
  const as = own === by ? '' : ` as ${own}, the same person as far as this host knows`;
  throw new CorralError('CORRAL_APPROVER', `${by} submitted ${id}${as}, and so does not ${doing}.`);
}

/**
 * The owner of the capability alone, and not where they would vouch for a run of their own.
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
