/** The first delivery of a run, or of its next segment after a checkpoint. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { targetName, type Grants } from '@corral/policy/capability/grants';
import type { CapabilityView, StartDelivery } from '@corral/protocol/wire/delivery';

export function startOf({ record, checkpoint, lastId, nextCap, handles }: Ledger, grants: Grants): Omit<StartDelivery, 'at'> {
  const caps: Record<string, CapabilityView> = {};
  for (const { alias, cap, grant } of record.caps) {
    const target = grants.get(grant)?.target;
    if (alias === '' || target === undefined) continue;
    caps[alias] = { cap, kind: target.kind, name: target.kind === 'tool' ? target.tool : targetName(target) };
  }
  // The guest numbers new handles from those that it gets here.
  const given = (record.handles ?? []).map(({ path, type, bytes }, i) => ({ path, type, bytes, handle: i + 1 }));
  const held = [...given, ...(checkpoint === undefined ? (record.service?.placed ?? []) : (checkpoint.placed ?? []))];
  const next = {
    ...(Object.keys(caps).length + 1 === nextCap ? {} : { next_cap: nextCap }),
    ...(held.length === 0 ? {} : { handles: held }),
    ...(handles.next === 1 ? {} : { next_handle: handles.next }),
  };
  const start = { kind: 'start' as const, run: record.id, input: record.input, caps, budget: record.budget, ...next };
  if (checkpoint === undefined) return record.service?.state === undefined ? start : { ...start, state: record.service.state };
  const unread = checkpoint.unread as unknown as NonNullable<StartDelivery['unread']>;
  return { ...start, state: checkpoint.state, next_id: lastId + 1, ...(unread.length === 0 ? {} : { unread }) };
}
