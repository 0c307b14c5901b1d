/** What a run begins with, at its very start or after a checkpoint. */
import type { Ledger } from '@corral/broker/ledger';
import { targetName, type Grants } from '@corral/policy/grants';
import type { CapabilityView, StartDelivery } from '@corral/protocol/delivery';

export function startOf({ record, checkpoint, lastId, nextCap }: Ledger, grants: Grants): Omit<StartDelivery, 'at'> {
  const caps: Record<string, CapabilityView> = {};
  for (const { alias, cap, grant } of record.caps) {
    const target = grants.get(grant)?.target;
    if (alias === '' || target === undefined) continue;
    caps[alias] = { cap, kind: target.kind, name: target.kind === 'tool' ? target.tool : targetName(target) };
  }
  // It counts on from what it sees.
  const next = Object.keys(caps).length + 1 === nextCap ? {} : { next_cap: nextCap };
  const start = { kind: 'start' as const, run: record.id, input: record.input, caps, budget: record.budget, ...next };
  if (checkpoint === undefined) return record.service?.state === undefined ? start : { ...start, state: record.service.state };
  const unread = checkpoint.unread as unknown as NonNullable<StartDelivery['unread']>;
  return { ...start, state: checkpoint.state, next_id: lastId + 1, ...(unread.length === 0 ? {} : { unread }) };
}
