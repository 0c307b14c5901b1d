/** An approval that a person lets hold for later calls of the run: what it is bound to, and when there can be none. */
import { destinationOf } from '@corral/broker/policies/standing';
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { PendingApproval } from '@corral/broker/ledger/pending';
import { CorralError } from '@corral/protocol/errors';
import { LIMITS_APPROVALS } from '@corral/protocol/limits-approvals';
import type { Decision } from '@corral/protocol/model/decision';
import type { StandingGrant, StandingTerms } from '@corral/protocol/model/standing';
import type { Tool } from '@corral/protocol/ports/tool';
import { shapeOf } from './shape.ts';
import { labelOf } from './shown.ts';

/** Why an approval of this call can hold for no other; undefined if it can. */
export function whyAlone({ record }: Ledger, { call, quorum }: PendingApproval): string | undefined {
  if (call.question === true) return 'it is a question';
  if (call.relabel !== undefined) return 'it lowers a label';
  if (quorum > 1) return 'several people have to approve it';
  if (call.handled !== undefined && call.handled.length > 0) return 'parts of its arguments were read by nobody';
  if (record.service !== undefined) return 'its run works for whoever writes to it';
  return undefined;
}

/**
 * @param decision by which people were asked
 * @throws CORRAL_REQUEST_INVALID for terms that there cannot be for this call
 */
export function standingOf(
  ledger: Ledger,
  pending: PendingApproval,
  { terms, decision, tool, now }: { terms: StandingTerms; decision: Decision | undefined; tool: Tool | undefined; now: number },
): StandingGrant {
  const { call } = pending;
  const { standing_ms, standing_uses, standing_per_run } = LIMITS_APPROVALS;
  const refuse = (why: string) =>
    new CorralError('CORRAL_REQUEST_INVALID', `Approval of call ${pending.id} holds for this call alone: ${why}.`);
  const alone = whyAlone(ledger, pending);
  if (alone !== undefined) throw refuse(alone);
  if (decision?.policy === undefined || tool === undefined) throw refuse('its tool or its decision is not known here');
  const { destinations = [], money } = tool.annotations;
  if (terms.scope === 'destination' && destinations.length === 0)
    throw refuse(`${tool.name} does not say which argument is its destination`);
  if ((money === undefined) !== (terms.amount === undefined))
    throw refuse(
      money === undefined ? `${tool.name} moves no money, so there is no amount` : `${tool.name} moves money, so it takes an amount`,
    );
  if (terms.uses < 1 || terms.uses > standing_uses.max) throw refuse(`it may hold for 1 to ${standing_uses.max} further calls`);
  if (terms.until <= now || terms.until > now + standing_ms.max) throw refuse('it may hold for a day at most');
  if (ledger.approvals.filter(({ until }) => until > now).length >= standing_per_run.default)
    throw refuse(`the run has ${standing_per_run.default} approvals that hold already`);
  const { influenced_by, private_to } = labelOf(ledger, pending);
  const { rules = [], unusual = [], origins = [], approvers = [], policy } = decision;
  return {
    ...terms,
    tool: call.tool,
    shape: shapeOf({ ...ledger.record, ...call }),
    destination: destinationOf(call.input, destinations),
    policy,
    rules,
    approvers,
    tracked: decision.unusual !== undefined,
    unusual,
    origins: origins.map(([path, origin]) => [path, origin]),
    label: { influenced_by: [...influenced_by], private_to: [...private_to] },
  };
}
