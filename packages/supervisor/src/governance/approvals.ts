/**
 * Calls that wait for people, questions included: who asks for what exactly, which rules apply, and what is unusual about the call.
 */
import { Ledger } from '@corral/broker/ledger/ledger';
import { unionOf } from '@corral/policy/flow/labels';
import { originText } from '@corral/policy/flow/origin-text';
import { needsInput, type PendingApproval } from '@corral/broker/ledger/pending';
import type { Decision } from '@corral/protocol/model/decision';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { CorralError, type ErrorCode, type ErrorData } from '@corral/protocol/errors';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Label } from '@corral/protocol/model/label';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import { shapeOf } from './shape.ts';
import { whyAlone } from './standing.ts';
import { labelOf, questionIn, versionOf } from './shown.ts';
import { OWNER } from './tenant-policies.ts';
import { lastMessage, quotesOf, type Order, type Quote } from './quotes.ts';
import { type ReviveOptions } from '../runs/revive.ts';
import type { Run } from '../runs/run.ts';

export interface Approval {
  readonly run: RunId;
  readonly call: number;
  readonly tenant: TenantId;
  readonly agent: string;
  /** Submitter of the run, who may not decide. */
  readonly principal: string;
  readonly tool: string;
  readonly input: Json;
  /** The people whose private data the arguments may hold: what the run has read, and what is behind handles in them. */
  readonly private_to: Label['private_to'];
  readonly rules: readonly string[];
  readonly unusual: readonly string[];
  /** The arguments: the path of each, its origin as policies name it, and in words. */
  readonly origins: readonly { readonly path: string; readonly origin: string; readonly from: string }[];
  /** The input or message by which people asked for this run's work. */
  readonly order: Order;
  /** Deliveries of the run in which values of the arguments occur. */
  readonly quotes: readonly Quote[];
  readonly policy: string;
  readonly quorum: number;
  /** People or roles; a person who decides must be all of them. */
  readonly approvers: readonly string[];
  /** Set if `owner` is among the approvers: the person, or the role that decides in their place. */
  readonly owner?: string;
  readonly approved_by: readonly string[];
  /** Changes with what a person decides by; a decision may name it. */
  readonly version: string;
  /** The same for calls of this agent to this tool whose arguments have the same names and types. */
  readonly shape: string;
  readonly since: number;
  readonly expires_at: number;
  /** Whether its approval may hold for later calls of the run as well. */
  readonly may_hold: boolean;
  /** Set if people are asked a question, whose answer a person gives; the label of what it says. */
  readonly asks?: NonNullable<ReturnType<typeof questionIn>> & { readonly label: Label };
  /** Set if the call would lower a label; then only the owner decides. */
  readonly lowers?: {
    readonly kind: 'endorse' | 'declassify';
    readonly owner: string;
    readonly of: 'run' | 'value';
    readonly label: Label;
  };
}

/** Selects approvals: all, those of one run, or a page. */
export interface ApprovalFilter {
  readonly tenant?: TenantId;
  readonly run?: RunId;
  /** Only this call; for where `run` is given. */
  readonly call?: number;
  /** Only approvals that come after this one; where `run` is given, it is one of that run. */
  readonly after?: { readonly run: RunId; readonly call: number };
  /** Maximum number of approvals. */
  readonly limit?: number;
  /** Only approvals of these runs. */
  readonly among?: readonly RunId[];
  /** Only calls of runs of this agent. */
  readonly agent?: string;
  /** Only calls of this shape. */
  readonly shape?: string;
  /** Only calls to this tool. */
  readonly tool?: string;
  /** Only where this is part of the name of the agent or of the tool, in upper or lower case. */
  readonly named?: string;
  /** Only questions, which people answer, or only calls that they approve. Left out: both. */
  readonly kind?: 'question' | 'approval';
  /**
   * Called for each run that cannot be read, so that the others are still listed. If the filter names one run, the error is thrown instead.
   */
  readonly onDamaged?: (run: RunId, error: CorralError) => void;
}

export interface ApprovalReading extends Pick<ReviveOptions, 'tracked' | 'watch'> {
  /** The person or role that `owner` means for the agent of a run; undefined if several people may be. */
  readonly ownerOf: (record: RunRecord) => string | undefined;
  readonly store: Store;
  readonly runs: ReadonlyMap<RunId, Run>;
}

const PAGE = 200;
/** Errors that concern one run alone, and must not hide the approvals of other runs. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set(['CORRAL_JOURNAL_DAMAGED', 'CORRAL_RUN_ERASED', 'CORRAL_JOURNAL_PRUNED']);

/** Lists approvals by the admission of their runs, and within a run by call. Parked runs are read from the store and not woken. */
export async function approvals(reading: ApprovalReading, filter: ApprovalFilter = {}): Promise<readonly Approval[]> {
  const { store } = reading;
  const { tenant, agent, run, after, among, onDamaged, limit = Number.POSITIVE_INFINITY } = filter;
  const found: Approval[] = [];
  const read = async (id: RunId): Promise<readonly Approval[]> => {
    const stored = await store.run(id);
    // Nobody can decide for a run that must first be moved to another version; its journal is not read.
    if (stored === undefined || stored.status.outcome !== undefined || stored.status.waiting === 'upgrade') return [];
    const { record } = stored;
    const isMeant = (tenant === undefined || record.tenant === tenant) && (agent === undefined || record.agent === agent);
    return isMeant ? approvalsOf(reading, stored, filter) : [];
  };
  if (run !== undefined) return (await read(run)).filter(({ call }) => call > (after?.call ?? -1)).slice(0, limit);
  const readable = (id: RunId) =>
    read(id).catch((error: unknown) => {
      if (!(error instanceof CorralError) || !UNREADABLE.has(error.code)) throw error;
      onDamaged?.(id, error);
      return [];
    });
  if (after !== undefined) found.push(...(await readable(after.run)).filter(({ call }) => call > after.call));
  for (let last = after?.run; found.length < limit;) {
    // `asking` finds also runs that wait for the resolution of one call and have asked about another.
    const page = await store.ids({
      ended: false,
      asking: true,
      limit: Math.min(PAGE, limit - found.length),
      ...(tenant === undefined ? {} : { tenant }),
      ...(last === undefined ? {} : { after: last }),
      ...(among === undefined ? {} : { among }),
    });
    for (const id of page) found.push(...(await readable(id)));
    last = page.at(-1);
    if (last === undefined) break;
  }
  return found.slice(0, limit);
}

/** The decisions of a journal; a call that inspectors were asked about first was decided a second time, by an event. */
export const decisionsIn = (entries: readonly Entry[]): readonly Decision[] =>
  entries.flatMap(({ decisions, event }) => (event?.kind === 'inspected' ? [...decisions, event.decision] : decisions));

async function approvalsOf(
  { store, runs, tracked, watch, ownerOf }: ApprovalReading,
  { record, checkpoint }: StoredRun,
  { call: only, tool, kind, shape, named = '' }: Pick<ApprovalFilter, 'call' | 'tool' | 'kind' | 'shape' | 'named'>,
): Promise<Approval[]> {
  const entries = await store.journal(record.id, Math.max(0, checkpoint - 1));
  let ledger = runs.get(record.id)?.ledger;
  if (ledger === undefined) {
    ledger = new Ledger(record, tracked(record.tenant), watch(record));
    for (const entry of entries) ledger.apply(entry, { checkpoint });
  }
  const isMeant = ({ id, call }: PendingApproval) =>
    (only === undefined || id === only) &&
    (tool === undefined || call.tool === tool) &&
    [record.agent, call.tool].some((name) => name.toLowerCase().includes(named.toLowerCase())) &&
    (kind === undefined || (kind === 'question') === (call.question === true)) &&
    (shape === undefined || shapeOf({ ...record, ...call }) === shape);
  const decisions = new Map(decisionsIn(entries).map((decision) => [decision.id, decision]));
  // The ledger of a run in memory may be ahead of what was read: a call is listed once all that a person decides by is there.
  const asked = [...ledger.pending.values()].filter(
    (pending): pending is PendingApproval =>
      pending.kind === 'approval' && isMeant(pending) && (needsInput(pending) || decisions.get(pending.id)?.verdict === 'ask'),
  );
  if (asked.length === 0) return [];
  const order = await orderOf(store, ledger.record, entries);
  const owner = ownerOf(ledger.record);
  return asked
    .map((pending) => ({
      // Rules said nothing of the question of a tool.
      ...approvalOf(ledger, pending, needsInput(pending) ? undefined : decisions.get(pending.id)),
      ...(owner !== undefined && pending.approvers?.includes(OWNER) === true ? { owner } : {}),
      order,
      quotes: quotesOf(entries, decisions, pending.call.input),
    }))
    .toSorted((a, b) => a.call - b.call);
}

/** The order that a run carries out: the input of its first ancestor, or for a turn of a service the message that it handles. */
async function orderOf(store: Store, record: RunRecord, entries: readonly Entry[]): Promise<Order> {
  const message = record.service === undefined ? undefined : lastMessage(entries);
  if (message !== undefined) return message;
  let root = record;
  while (root.parent !== undefined) {
    const parent: RunRecord | undefined = (await store.run(root.parent.run).catch(() => undefined))?.record;
    if (parent === undefined) break;
    root = parent;
  }
  return {
    by: root.submitter ?? root.principal,
    input: root.input,
    private_to: (root.handles ?? []).reduce((all, { label }) => unionOf(all, label.private_to), root.label?.private_to ?? []),
  };
}

/**
 * Distance from the profile, in nats, from which a call is shown as unusual. In recorded runs, 5 % of benign calls and 19 % of the calls
 * that an attack asked for reach it.
 */
const ODD = 2;

function approvalOf(ledger: Ledger, pending: PendingApproval, decision: Decision | undefined): Omit<Approval, 'order' | 'quotes'> {
  const { record, loops } = ledger;
  const isOdd = loops?.oddest.some(({ call, score }) => call === pending.id && score >= ODD) === true;
  const { relabel } = pending.call;
  const asked = questionIn(pending);
  const label = labelOf(ledger, pending);
  return {
    run: record.id,
    call: pending.id,
    tenant: record.tenant,
    agent: record.agent,
    principal: record.submitter ?? record.principal,
    tool: pending.call.tool,
    input: pending.call.input,
    private_to: label.private_to,
    rules: decision?.rules ?? [],
    unusual: [...(decision?.unusual ?? []), ...(isOdd ? ['unlike_its_profile'] : [])],
    origins: (decision?.origins ?? []).map(([path, origin, place]) => ({
      path,
      origin,
      from: originText(origin, record.parent?.agent, place),
    })),
    policy: decision?.policy ?? '',
    quorum: pending.quorum,
    approvers: pending.approvers ?? [],
    approved_by: pending.by,
    may_hold: whyAlone(ledger, pending) === undefined,
    version: versionOf(ledger, pending),
    shape: shapeOf({ ...record, ...pending.call }),
    since: pending.since,
    expires_at: pending.expires_at,
    ...(asked === undefined ? {} : { asks: { ...asked, label } }),
    ...(relabel === undefined
      ? {}
      : { lowers: { kind: relabel.kind, owner: relabel.owner, of: relabel.run ? 'run' : 'value', label: relabel.before } }),
  };
}

/** Codes whose texts the host makes. Others may repeat what a tool said, which not everybody may read who may ask here. */
const HOSTS_WORDS: ReadonlySet<ErrorCode> = new Set([
  'CORRAL_APPROVAL_DENIED',
  'CORRAL_APPROVAL_EXPIRED',
  'CORRAL_CALL_GIVEN_UP',
  'CORRAL_REVOKED',
  'CORRAL_TIMED_OUT',
  'CORRAL_QUARANTINED',
  'CORRAL_CAP_UNKNOWN',
  'CORRAL_BUDGET_EXCEEDED',
  'CORRAL_SPEND_EXCEEDED',
  'CORRAL_GRANT_SPENT',
  'CORRAL_GRANT_EXPIRED',
]);
export const failureIn = ({ code, message }: ErrorData): string => (HOSTS_WORDS.has(code) ? message : `it failed with ${code}`);

/** Describes what became of a call about which people were asked; undefined if nobody was asked, or if it still waits for them. */
export function becameOf(entries: readonly Entry[], call: number): string | undefined {
  let asked = false;
  for (const { decisions, delivery, event } of entries) {
    asked ||= decisions.some(({ id, verdict }) => id === call && verdict === 'ask');
    asked ||= event?.kind === 'input_required' && event.id === call;
    if (!asked) continue;
    if (event?.kind === 'approval' && event.id === call && event.verdict === 'approve')
      return `${event.by} has ${event.answer === undefined ? 'approved' : 'answered'} it`;
    const parsed = delivery === undefined ? undefined : (JSON.parse(delivery) as PendingDelivery);
    const result = parsed?.kind === 'reply' ? parsed.results.find(({ id }) => id === call) : undefined;
    if (result !== undefined) return 'error' in result ? failureIn(result.error) : 'it was made';
  }
  return undefined;
}
