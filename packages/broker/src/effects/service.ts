/**
 * Services as the broker sees them. A service is called like a tool, so that grants, predicates, budgets, policies, approvals and
 * detectors apply to it in the same way. The call becomes a message to an instance, and its result is the instance's reply.
 */
import type { Purse } from '@corral/policy/capability/purse';
import { join } from '@corral/policy/flow/labels';
import { GROUND } from '@corral/policy/detection/ladder';
import { contractOf } from '@corral/protocol/ports/contract';
import { CorralError } from '@corral/protocol/errors';
import { canonical, type Json } from '@corral/protocol/json';
import { BUDGET_NAMES } from '@corral/protocol/limits';
import type { Label } from '@corral/protocol/model/label';
import { ServiceCall, ServiceReply } from '@corral/protocol/model/service';
import type { Outgoing } from '@corral/protocol/ports/store';
import { REVERSIBLE_CHANGE, type Tool } from '@corral/protocol/ports/tool';
import type { Batch } from './batch.ts';
import type { Books } from '../ledger/books.ts';
import type { PendingApproval } from '../ledger/pending.ts';
import { labelOf } from './common.ts';
import { snapshotOf, type LedgerSnapshot } from '../ledger/snapshot.ts';
import type { DecideContext, Reached } from './context.ts';

const PREFIX = 'service:';
const CALL = contractOf(ServiceCall);
const REPLY = contractOf(ServiceReply, 'output');

/** The service name in a target `service:name`; undefined for tools. */
export const serviceIn = (target: string): string | undefined => (target.startsWith(PREFIX) ? target.slice(PREFIX.length) : undefined);

/** A service as a tool, for decisions. It is never invoked: a call becomes a message to an instance. */
export function serviceTool(service: string, purpose: string): Tool {
  const name = `${PREFIX}${service}`;
  return {
    name,
    description: purpose,
    input: CALL,
    output: REPLY,
    // It counts as a change, because an instance keeps state. Effects of the instance are decided when it has them.
    annotations: { ...REVERSIBLE_CHANGE, resource: name },
    invoke: () => Promise.resolve({ kind: 'failed', message: `${name} is written to, not invoked.` }),
  };
}

/** The message for a call to a service. */
export function toInstance(ledger: Books, id: number, input: Json, key: string, { instance }: Reached): Outgoing {
  const { record } = ledger;
  return {
    to: instance.record.id,
    key,
    instance,
    delivery: {
      kind: 'message',
      from: { run: record.id, agent: record.agent, principal: record.submitter ?? record.principal },
      // The body includes the key, so the label covers the key too.
      body: input,
      request: id,
      depth: ledger.depth + 1,
      hops: ledger.hops + 1,
      ...labelOf(ledger),
    },
  };
}

/** The result of the context's `reach`; or the reason why no instance can be created now, such as a missing tool. */
export function reachable(service: string, key: string, context: Pick<DecideContext, 'reach'>): Reached | string | undefined {
  try {
    return context.reach(service, key);
  } catch (error) {
    if (error instanceof CorralError) return `${service} cannot be reached: ${error.message}`;
    throw error;
  }
}

/** Sends a call to a service that people have approved, in the commit that records the approval. */
export function approvedRequest(ledger: Books, { call }: PendingApproval, batch: Batch, context: Pick<DecideContext, 'reach'>): void {
  const pending = ledger.pending.get(call.id);
  const asked = requestIn(call);
  const reached = asked && reachable(asked.service, asked.input.key, context);
  if (pending?.kind !== 'request' || asked === undefined || reached === undefined || typeof reached === 'string') return;
  batch.outbox.push(toInstance(ledger, call.id, asked.input as Json, `${ledger.seq}.0`, reached));
  if (pending.due !== undefined) batch.timers.push({ id: call.id, due: pending.due });
}

/** The reason why an approved call to a service cannot be sent now; undefined if it can. */
export function standsAgainst(call: PendingApproval['call'], context: Pick<DecideContext, 'reach'>): string | undefined {
  const asked = requestIn(call);
  if (asked === undefined) return undefined;
  const reached = reachable(asked.service, asked.input.key, context);
  if (typeof reached === 'string') return reached;
  if (reached === undefined) return `this host no longer has a service ${asked.service}`;
  return reached.stands === undefined ? undefined : `${asked.service} is under quarantine`;
}

function requestIn({ tool, input }: PendingApproval['call']) {
  const service = serviceIn(tool);
  const parsed = service === undefined ? undefined : ServiceCall.safeParse(input).data;
  return service === undefined || parsed === undefined ? undefined : { service, input: parsed };
}

/**
 * The label of an instance that has no checkpoint yet. The run that first wrote to the instance chose its key, which the instance gets
 * before that message; a state carried over from the previous instance has a label of its own.
 */
export function inherited({ record }: Books): Label | undefined {
  if (record.service === undefined) return undefined;
  const { label } = record.service;
  return label === undefined || record.label === undefined ? (label ?? record.label) : join(label, record.label);
}

/** The state and label with which the present segment of an instance began. */
function kept({ checkpoint, record }: Books): { readonly state?: Json; readonly label?: Label | undefined } {
  return checkpoint ?? record.service ?? {};
}

/**
 * The ledger state that a checkpoint carries over. For an instance of a service a checkpoint ends a turn: counters start again with each
 * turn, and a state that is unchanged keeps its label, since nothing that the turn has read influenced it.
 */
export function carriedOver(ledger: Books, state: Json): LedgerSnapshot {
  const snapshot = snapshotOf(ledger);
  if (ledger.record.service === undefined) return snapshot;
  const before = kept(ledger);
  // Handles in the state and unread messages count as a change.
  const { handles = [], unread = [] } = ledger.checkpointing ?? {};
  const bare = handles.length === 0 && unread.length === 0;
  const same = bare && before.state !== undefined && canonical(before.state) === canonical(state);
  const { began_at: _began, queued_ms: _queued, paused_away_ms: _away, loops, ...rest } = snapshot;
  return {
    ...rest,
    ...(loops === undefined
      ? {}
      : { loops: { format: loops.format, position: loops.position, rung: GROUND, metered: 0, changes: loops.changes, entries: [] } }),
    label: same ? before.label : snapshot.label,
    effects: 0,
    logBytes: 0,
    journalBytes: 0,
    depth: 0,
    paused_ms: 0,
    spent: nothing(),
    refusedFor: [],
  };
}

const nothing = () => Object.fromEntries(BUDGET_NAMES.map((name) => [name, 0])) as ReturnType<Purse['spent']>;
