/** The first delivery of a run, or of its next segment after a checkpoint. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { targetName, type Grants } from '@corral/policy/capability/grants';
import type { Tool } from '@corral/protocol/ports/tool';
import { modelIn, type TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Json } from '@corral/protocol/json';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { CapabilityView, StartDelivery } from '@corral/protocol/wire/delivery';

export interface StartParts {
  readonly grants: Grants;
  readonly tool: (tenant: TenantId, name: string) => Tool | undefined;
}

export function startOf(
  { record, checkpoint, lastId, nextCap, handles }: Ledger,
  { describe_uses }: AgentManifest,
  { grants, tool }: StartParts,
): Omit<StartDelivery, 'at'> {
  const describe = describe_uses === undefined ? () => ({}) : describer((name) => tool(record.tenant, name));
  const caps: Record<string, CapabilityView> = {};
  for (const { alias, cap, grant } of record.caps) {
    const target = grants.get(grant)?.target;
    if (alias === '' || target === undefined) continue;
    caps[alias] =
      target.kind === 'tool'
        ? { cap, kind: target.kind, name: target.tool, ...describe(target.tool), ...reachesOf(tool(record.tenant, target.tool)) }
        : { cap, kind: target.kind, name: targetName(target) };
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

const reachesOf = (tool: Tool | undefined): Pick<CapabilityView, 'reaches'> =>
  tool?.reaches === undefined ? {} : { reaches: tool.reaches };

/** Describes the tools of an agent one after the other, as long as there is room for their descriptions. */
function describer(tool: (name: string) => Tool | undefined): (name: string) => Pick<CapabilityView, 'description' | 'input'> {
  let room = MACHINE.told_tools_bytes.default;
  return (name) => {
    // A model is asked by code, and not by another model.
    const found = modelIn(name) === undefined ? tool(name) : undefined;
    if (found === undefined) return {};
    const told = { description: found.description, input: found.input.schema as Json };
    room -= Buffer.byteLength(JSON.stringify(told));
    return room < 0 ? { description: null } : told;
  };
}
