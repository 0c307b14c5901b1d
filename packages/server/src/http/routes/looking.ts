/** Routes by which a person says that they look at a call that waits for people, or puts it off. */
import type { Operation } from '@corral/protocol/api/roles';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import type { Approval } from '@corral/supervisor';
import type { Access } from '../../people/access.ts';
import type { ServerContext } from '../context.ts';
import { askedAbout, personOf } from './asked.ts';
import { findRun, type Handlers } from './handler.ts';

export function lookingRoutes(door: ServerContext): Handlers<'claimApproval' | 'releaseApproval' | 'putOffApproval'> {
  const { db, clock, projection } = door;

  /** @throws CORRAL_RUN_UNKNOWN, CORRAL_RUN_STATE if nobody is asked about the call */
  const waiting = async (access: Access, operation: Operation, run: RunId, call: number): Promise<Approval> => {
    findRun(door, access, operation, run);
    const found = await askedAbout(door, run, call);
    if (found === undefined) throw new CorralError('CORRAL_RUN_STATE', `Call ${call} of ${run} does not wait for a person.`);
    return found;
  };
  const tell = ({ run, tenant, agent, call }: Approval, by: string | null, until: number | null) =>
    projection.tell('run.claimed', { id: run, tenant, agent }, { call, by, until });

  return {
    async claimApproval({ params: { run, call }, body }, { access }) {
      const one = await waiting(access, 'approval.decide', run, call);
      const { id: by } = access.principal;
      const since = clock.now();
      const held = db.approvals.claimOf(run, call, since);
      if (held !== undefined && held.by !== by && !body.take)
        throw new CorralError(
          'CORRAL_CLAIMED',
          `${held.by} has been looking at call ${call} of ${run} since ${new Date(held.since).toISOString()}.`,
        );
      // A claim that is renewed keeps its beginning.
      const claim = { run, call, by, since: held?.by === by ? held.since : since, until: Math.min(since + body.for_ms, one.expires_at) };
      db.approvals.claim(claim);
      tell(one, by, claim.until);
      return claim;
    },

    async releaseApproval({ params: { run, call } }, { access }) {
      const one = await waiting(access, 'approval.decide', run, call);
      const released = db.approvals.claimOf(run, call, clock.now())?.by === access.principal.id;
      if (released) {
        db.approvals.release(run, call);
        tell(one, null, null);
      }
      return { run, call, released };
    },

    async putOffApproval({ params: { run, call }, body: { until } }, { access }) {
      const one = await waiting(access, 'approval.read', run, call);
      const by = personOf(door, access);
      if (until === null) db.approvals.takeUp(run, call, by);
      else if (until <= clock.now()) throw new CorralError('CORRAL_REQUEST_INVALID', '`until` is in the past.');
      else db.approvals.putOff({ run, call, by, until: Math.min(until, one.expires_at) });
      return { run, call, until: until === null ? null : Math.min(until, one.expires_at), expires_at: one.expires_at };
    },
  };
}
